"""What auth does: register, log in, confirm a rotation, log out, prune."""

from contextlib import suppress

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from careers_users import database
from careers_users.auth import audit, queries, throttle, tokens
from careers_users.auth.device import Device
from careers_users.auth.password_hashing import HashingBusy, passwords, verify
from careers_users.auth.throttle import (
    Bucket,
    Reservation,
    give_back,
    uncounted_in_trouble,
)
from careers_users.auth.tokens import Tokens
from careers_users.database import Row, Transaction
from careers_users.extensions import db
from careers_users.http.errors import Forbidden, Unauthorized
from careers_users.models import User
from careers_users.observability import security_log
from careers_users.validation import text
from careers_users.validation.limits import SESSIONS_MAX

# From here on a login makes sure that there is room for its session. Below, as many
# logins of one user as the difference may be under way at once without exceeding it.
SESSIONS_CLOSE_TO_MAX = SESSIONS_MAX - 32


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
        write(Transaction(db.session.connection()))
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
    give_back(tries)
