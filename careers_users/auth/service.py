"""What auth does: register, log in, refresh, log out, prune."""

from datetime import timedelta
from typing import Any

import jwt
from sqlalchemy import RowMapping, insert, update
from sqlalchemy.exc import IntegrityError

from careers_users import clock, security_log, text
from careers_users.auth import queries, tokens
from careers_users.auth.passwords import passwords
from careers_users.auth.tokens import Claims, Device, Tokens
from careers_users.database import is_violated
from careers_users.errors import (
    Forbidden,
    ServiceError,
    TokenInvalid,
    Unauthorized,
    ValidationFailed,
)
from careers_users.extensions import db
from careers_users.models import Total, User, UserCounters
from careers_users.statements import Row

# A session's last use is written at most this often: it need not be exact, and a
# refresh should not have to write.
LAST_USED_PRECISION = timedelta(minutes=1)


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


class ForeignSession(Forbidden):
    """The refresh token to be revoked is another user's."""

    error = "This refresh token is not yours"


def register(account: dict[str, Any], device: Device) -> tuple[RowMapping, Tokens]:
    """Add an account and open its first session; return the user's row and the tokens.

    `account` is what RegisterSchema loads. Raises UsernameTaken or EmailTaken, as the
    database decides.
    """
    password_hash = passwords().hash(account["password"])
    try:
        with db.session.begin():
            user = _add_user(account, password_hash)
            opened = tokens.open_session(user["id"], user["token_version"], device)
    except IntegrityError as error:
        refusal = translate_conflict(error)
        # If both are taken, each database notices another first; clients get the same.
        if isinstance(refusal, EmailTaken) and queries.account(account["username"]):
            refusal = UsernameTaken()
        raise refusal from error
    security_log.record("registered", user["id"])
    return user, opened


def _add_user(account: dict[str, Any], password_hash: str) -> RowMapping:
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
        )
        .returning(
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
    )
    user = db.session.execute(statement).mappings().one()
    db.session.execute(insert(UserCounters).values(user_id=user["id"]))
    # Last, since all registrations wait for this one row until the commit.
    db.session.execute(
        update(Total).where(Total.name == "users").values(value=Total.value + 1)
    )
    return user


def translate_conflict(error: IntegrityError) -> Exception:
    """Return the refusal for a username or e-mail address that is taken."""
    if is_violated(error, "uq_users_username_key"):
        return UsernameTaken()
    if is_violated(error, "uq_users_email_key"):
        return EmailTaken()
    return error


def log_in(identifier: str, password: str, device: Device) -> tuple[Row, Tokens]:
    """Open a session for who knows the password; return the account and the tokens.

    Raises InvalidCredentials, after the same work whoever is asked for.
    """
    account = queries.account(identifier)
    stored = None if account is None else account["password_hash"]
    is_right = passwords().verify(stored, password)
    if account is None or not is_right or not account["is_active"]:
        user_id = None if account is None else account["id"]
        security_log.record("login_failed", user_id)
        raise InvalidCredentials
    new_hash = None
    if passwords().is_outdated(account["password_hash"]):
        new_hash = passwords().hash(text.nfc(password))
    with db.session.begin():
        if new_hash is not None:
            _replace_hash(account["id"], account["password_hash"], new_hash)
        opened = tokens.open_session(account["id"], account["token_version"], device)
    security_log.record("login_succeeded", account["id"])
    return account, opened


def _replace_hash(user_id: int, old_hash: str, new_hash: str) -> None:
    # Only if it is still the one verified: it may have been changed meanwhile.
    db.session.execute(
        update(User)
        .where(User.id == user_id)
        .where(User.password_hash == old_hash)
        .values(password_hash=new_hash)
    )


def refresh(token: str) -> str:
    """Return a new access token of a refresh token's session.

    Raises TokenInvalid for everything that may be wrong with it: one answer for all.
    """
    claims = _read_refresh(token)
    session = None if claims is None else queries.live_session(claims)
    if claims is None or session is None:
        raise TokenInvalid
    now = clock.utcnow()
    if now - session["last_used_at"] >= LAST_USED_PRECISION:
        with db.session.begin():
            tokens.touch(claims.session_id, now)
    return tokens.issue_access(claims.user_id, claims.session_id, claims.token_version)


def _read_refresh(token: str, *, allow_expired: bool = False) -> Claims | None:
    try:
        claims = tokens.read(token, allow_expired=allow_expired)
    except jwt.InvalidTokenError:
        return None
    return claims if claims.type == "refresh" else None


def log_out(viewer: Claims, refresh_token: str) -> None:
    """End the session of a refresh token and the viewer's own, at once.

    A session that is over already is no error (RFC 7009, section 2.2). Raises
    ValidationFailed for what is not a refresh token, ForeignSession for another
    user's; then nothing is revoked.
    """
    claims = _read_refresh(refresh_token, allow_expired=True)
    if claims is None:
        raise ValidationFailed({"refresh": ["Not a refresh token."]})
    if claims.user_id != viewer.user_id:
        raise ForeignSession
    with db.session.begin():
        # In one order, so that two log-outs of the same sessions can't block each
        # other.
        for session_id in sorted({claims.session_id, viewer.session_id}):
            tokens.end_session(session_id, "logout")
        tokens.revoke(viewer.token_id, viewer.expires_at)
    security_log.record("logged_out", viewer.user_id)
    if tokens.is_time_to_prune():
        with db.session.begin():
            tokens.prune_batch()


def prune_tokens() -> int:
    """Delete all expired sessions and revocations; return how many rows that were."""
    total = 0
    while True:
        with db.session.begin():
            deleted = tokens.prune_batch()
        total += deleted
        if not deleted:
            return total
