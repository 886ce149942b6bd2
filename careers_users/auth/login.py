"""What auth does: register, log in, confirm a rotation, log out, prune."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import jwt
from sqlalchemy import RowMapping, bindparam, exists, insert, update
from sqlalchemy.exc import IntegrityError

from careers_users import clock, database
from careers_users.auth import audit, queries, throttle, tokens
from careers_users.auth.device import Device
from careers_users.auth.password_hashing import HashingBusy, passwords
from careers_users.auth.throttle import Bucket, Reservation
from careers_users.auth.tokens import Claims, Tokens
from careers_users.database import ngram_counts
from careers_users.database.engine import is_violated
from careers_users.database.errors import if_possible
from careers_users.database.statements import Row, Transaction, UsualTransaction
from careers_users.extensions import db
from careers_users.http.errors import (
    Forbidden,
    ServiceError,
    TokenRevoked,
    Unauthorized,
    ValidationFailed,
)
from careers_users.models import ReservedUsername, Total, User, UserCounters
from careers_users.observability import security_log
from careers_users.validation import text
from careers_users.validation.limits import SESSIONS_MAX

# From here on a login makes sure that there is room for its session. Below, as many
# logins of one user as the difference may be under way at once without exceeding it.
SESSIONS_CLOSE_TO_MAX = SESSIONS_MAX - 32


class UsernameTaken(ServiceError):
    """Somebody has this username, in whatever case."""

    status = 409
    code = "username_taken"
    error = "This username is already taken"

    def __init__(self) -> None:
        super().__init__({"username": ["Already taken."]})


class EmailTaken(ServiceError):
    """Somebody has this e-mail address, in whatever case."""

    status = 409
    code = "email_taken"
    error = "This email address is already registered"

    def __init__(self) -> None:
        super().__init__({"email": ["Already registered."]})


class InvalidCredentials(Unauthorized):
    """Unknown user, wrong password or inactive user: which, is not told."""

    code = "invalid_credentials"
    error = "Username or password is wrong"


class WrongPassword(Forbidden):
    """The password that should confirm a change is not the viewer's.

    Not a 401: the token is good, and clients take a 401 for the end of it.
    """

    code = "wrong_password"
    error = "The password is wrong"

    def __init__(self) -> None:
        super().__init__({"password": ["Wrong."]})


class ForeignSession(Forbidden):
    """The refresh token to be revoked is another user's."""

    error = "This refresh token is not yours"


def register(account: dict[str, Any], device: Device) -> tuple[RowMapping, Tokens]:
    """Add an account and open its first session; return the user's row and the tokens.

    `account` is what RegisterSchema loads. Raises UsernameTaken or EmailTaken, as the
    database decides, and RateLimited: of those too, or names could be tried out.
    """
    tries = throttle.reserve(Bucket("register", (throttle.place(device.address),)))
    try:
        with uncounted_in_trouble(tries):
            password_hash = passwords().hash(account["password"])
            with db.session.begin():
                user = add_user(account, password_hash)
                id_, version = user["id"], user["token_version"]
                row, opened = tokens.new_session(id_, version, device)
                audit.record("registered", id_, device, beside=row)
                count_new_user()
    except IntegrityError as error:
        raise taken(error, account["username"]) from error
    security_log.record("registered", user["id"])
    ngram_counts.tidy()
    return user, opened


_NEW_ACCOUNT = (
    User.id,
    User.username,
    User.email,
    User.first_name,
    User.last_name,
    User.bio,
    User.avatar,
    User.created_at,
    User.token_version,
)


def add_user(account: dict[str, Any], password_hash: str) -> RowMapping:
    """Add the rows of a new account and return the user's.

    The caller counts it and commits.
    """
    now = clock.utcnow()
    names = [account[name] for name in ("username", "first_name", "last_name", "bio")]
    statement = (
        insert(User)
        .values(
            username=account["username"],
            username_key=text.fold(account["username"]),
            email=account["email"],
            email_key=text.fold(account["email"]),
            password_hash=password_hash,
            first_name=account["first_name"],
            first_name_key=text.fold(account["first_name"]),
            last_name=account["last_name"],
            last_name_key=text.fold(account["last_name"]),
            bio=account["bio"],
            avatar=account["avatar"],
            search_text=text.search_text(*names),
            created_at=now,
            updated_at=now,
            changed_at=clock.database_now(),
        )
        .returning(*_NEW_ACCOUNT)
    )
    user = db.session.execute(statement).mappings().one()
    # Whether the name is reserved is asked by the statement after the one that took it:
    # who waited for the deletion of its account sees what that has written.
    key = text.fold(user["username"])
    parameters = {"new_id": user["id"], "key": key, "now": now}
    if db.session.execute(_ADD_COUNTERS, parameters).scalar_one():
        raise UsernameTaken
    return user


def count_new_user() -> None:
    """Count one user more, as the last statement before the commit.

    All registrations wait for this one row until then.
    """
    db.session.execute(
        update(Total).where(Total.name == "users").values(value=Total.value + 1)
    )


_ADD_COUNTERS = (
    insert(UserCounters)
    .values(user_id=bindparam("new_id"))
    .returning(
        exists()
        .where(ReservedUsername.username_key == bindparam("key"))
        .where(ReservedUsername.expires_at > bindparam("now"))
    )
)


def taken(error: IntegrityError, username: str) -> Exception:
    """Return the refusal for a new account of that name.

    If name and address are both taken, each database notices another first; clients
    get the same.
    """
    refusal = translate_conflict(error)
    if isinstance(refusal, EmailTaken) and queries.account(username):
        return UsernameTaken()
    return refusal


def translate_conflict(error: IntegrityError) -> Exception:
    """Return the refusal for a username or e-mail address that is taken."""
    if is_violated(error, "uq_users_username_key"):
        return UsernameTaken()
    if is_violated(error, "uq_users_email_key"):
        return EmailTaken()
    return error


def log_in(identifier: str, password: str, device: Device) -> tuple[Row, Tokens]:
    """Open a session for who knows the password; return the account and the tokens.

    Raises InvalidCredentials, or RateLimited. For nobody that is after the same work as
    for a user whose hash is of today's kind.
    """
    account = queries.login_account(identifier)
    user_id = None if account is None else account["id"]
    buckets = _login_buckets(identifier, account, device)
    tries = throttle.reserve(*buckets, user_id=user_id)
    with uncounted_in_trouble(tries):
        is_right = verify(account, password)
        if account is None or not is_right or not account["is_active"]:
            if account is None:
                security_log.record("login_failed")
            else:
                audit.record_repeated("login_failed", account["id"], device)
            raise InvalidCredentials
        new_hash = None
        if passwords().is_outdated(account["password_hash"]):
            with suppress(HashingBusy):  # Another login renews it.
                new_hash = passwords().hash(text.nfc(password))
        try:
            opened = _open_session(account, device, new_hash, tries)
        except IntegrityError as error:
            # The reference to a user deleted meanwhile.
            raise InvalidCredentials from error
    security_log.record("login_succeeded", account["id"])
    return account, opened


def _open_session(
    account: Row, device: Device, new_hash: str | None, tries: Reservation
) -> Tokens:
    user_id, ended = account["id"], 0
    row, opened = tokens.new_session(user_id, account["token_version"], device)

    def write(transaction: Transaction) -> None:
        audit.record("login_succeeded", user_id, device, beside=row, within=transaction)
        tries.give_back(transaction)

    if new_hash is None and account["live_sessions"] < SESSIONS_CLOSE_TO_MAX:
        with database.transaction() as transaction:
            write(transaction)
        return opened
    with db.session.begin():
        if new_hash is not None:
            _replace_hash(user_id, account["password_hash"], new_hash)
        if account["live_sessions"] >= SESSIONS_CLOSE_TO_MAX:
            ended = tokens.make_room(user_id)
        if ended:
            audit.record("session_ended", user_id, device, reason="limit", count=ended)
        write(UsualTransaction(db.session.connection()))
    if ended:
        security_log.record("session_ended", user_id, reason="limit", count=ended)
    return opened


def _login_buckets(
    identifier: str, account: Row | None, device: Device
) -> list[Bucket]:
    """Return whom a login counts: the name here, everybody here, the user anywhere.

    The name as it was typed: if a user's two names were counted together here, it could
    be found out that they are one user's. The last not where the user has signed in
    lately, or anybody could lock them out.
    """
    place, name = throttle.place(device.address), text.fold(identifier.strip())
    buckets = [Bucket("login", (name, place)), Bucket("login_address", (place,))]
    known = "" if account is None else account["addresses"] or ""
    if place not in map(throttle.place, known.split()):
        whom = name if account is None else account["id"]
        buckets.append(Bucket("login_username", (whom,)))
    return buckets


def verify(account: Row | None, password: str) -> bool:
    """Verify a password, also for nobody."""
    stored = None if account is None else account["password_hash"]
    return passwords().verify(stored, password)


@contextmanager
def uncounted_in_trouble(tries: Reservation) -> Iterator[None]:
    """Give tries back if it is the service that fails, not what was tried."""
    try:
        yield
    except Exception as error:
        is_refusal = isinstance(error, ServiceError) and error.status < 500
        if not is_refusal and not isinstance(error, IntegrityError):
            with if_possible("Tries could not be given back"):
                _give_back(tries)
        raise


def _give_back(tries: Reservation) -> None:
    with database.transaction() as transaction:
        tries.give_back(transaction)


def _replace_hash(user_id: int, old_hash: str, new_hash: str) -> None:
    # Only if it is still the one verified: it may have been changed meanwhile.
    db.session.execute(
        update(User)
        .where(User.id == user_id)
        .where(User.password_hash == old_hash)
        .values(password_hash=new_hash)
    )


def confirm_password(user_id: int, password: str, device: Device) -> None:
    """Make sure that who asks knows the viewer's password.

    Raises WrongPassword, or RateLimited after too many of them.
    """
    tries = throttle.reserve(Bucket("password", (user_id,)), user_id=user_id)
    with uncounted_in_trouble(tries):
        if not verify(queries.account_by_id(user_id), password):
            audit.record_repeated("confirmation_failed", user_id, device)
            raise WrongPassword
    _give_back(tries)


def confirm_rotation(claims: Claims) -> None:
    """Write that a rotation's tokens have arrived: its predecessor is not needed now.

    A database that can't take it is no reason to refuse the call: the next one will
    tell it again.
    """
    with (
        if_possible("A rotation could not be confirmed"),
        db.session.begin(),
    ):
        tokens.confirm(claims.session_id, claims.generation, clock.utcnow())


def read_refresh(token: str, *, allow_expired: bool = False) -> Claims | None:
    """Return what a refresh token says; None if it is none of ours, or too old."""
    try:
        claims = tokens.read(token, allow_expired=allow_expired)
    except jwt.InvalidTokenError:
        return None
    return claims if claims.type == "refresh" else None


def log_out(viewer: Claims, refresh_token: str, device: Device) -> None:
    """End the session of a refresh token and the viewer's own, at once.

    A session that is over already is no error (RFC 7009, section 2.2). Raises
    ValidationFailed for what is not a refresh token, ForeignSession for another
    user's, or TokenRevoked if the account has gone; then nothing is revoked.
    """
    claims = read_refresh(refresh_token, allow_expired=True)
    if claims is None:
        raise ValidationFailed({"refresh": ["Not a refresh token."]})
    if claims.user_id != viewer.user_id:
        raise ForeignSession
    with db.session.begin():
        if not audit.hold_user(viewer.user_id):
            raise TokenRevoked
        # In one order, so that two log-outs of the same sessions can't block each
        # other.
        for session_id in sorted({claims.session_id, viewer.session_id}):
            tokens.end_session(session_id, "logout")
        tokens.revoke(viewer.token_id, expires_at=viewer.expires_at)
        audit.record("logged_out", viewer.user_id, device)
    security_log.record("logged_out", viewer.user_id)
    if tokens.is_time_to_prune():
        with (
            if_possible("What is over could not be pruned"),
            db.session.begin(),
        ):
            tokens.prune_batch()
            audit.prune_batch()


def prune_tokens() -> int:
    """Delete all rows whose time is over; return how many that were.

    Those of sessions, revocations, name reservations, old events and counted tries.
    What has changed in searched texts is folded into the counts of their letters.
    """
    total, deleted = 0, 1
    while deleted:
        with db.session.begin():
            deleted = tokens.prune_batch() + audit.prune_batch()
            deleted += throttle.prune_batch(db.session)
        total += deleted
    ngram_counts.fold_all()
    return total
