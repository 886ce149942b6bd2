"""What auth reads: who is behind a token, a session, a login."""

from sqlalchemy import Executable, bindparam, exists, select

from careers_users import clock, database, text
from careers_users.auth.tokens import Claims
from careers_users.models import RefreshToken, RevokedToken, User
from careers_users.statements import Row

_IS_REVOKED = exists().where(
    RevokedToken.id.in_([bindparam("session_id"), bindparam("token_id")])
)

# One statement for every request with a token: the user, unless the session is over.
VIEWER = (
    select(User.id, User.username)
    .where(User.id == bindparam("user_id"))
    .where(User.token_version == bindparam("token_version"))
    .where(User.is_active)
    .where(~_IS_REVOKED)
)

_LIVE_SESSION = (
    select(RefreshToken.last_used_at)
    .join(User, User.id == RefreshToken.user_id)
    .where(RefreshToken.id == bindparam("session_id"))
    .where(RefreshToken.user_id == bindparam("user_id"))
    .where(RefreshToken.generation == bindparam("generation"))
    .where(RefreshToken.revoked_at.is_(None))
    .where(RefreshToken.expires_at > bindparam("now"))
    .where(User.token_version == bindparam("token_version"))
    .where(User.is_active)
    .where(~_IS_REVOKED)
)

_ACCOUNT = select(
    User.id,
    User.username,
    User.email,
    User.first_name,
    User.last_name,
    User.password_hash,
    User.token_version,
    User.is_active,
)
_ACCOUNT_BY_USERNAME = _ACCOUNT.where(User.username_key == bindparam("key"))
_ACCOUNT_BY_EMAIL = _ACCOUNT.where(User.email_key == bindparam("key"))


def viewer(claims: Claims, statement: Executable = VIEWER) -> Row | None:
    """Return id and username of a token's user; None if the session is over.

    `statement` is VIEWER, or VIEWER with more columns.
    """
    return database.fetch_one(
        statement,
        {
            "user_id": claims.user_id,
            "token_version": claims.token_version,
            "session_id": claims.session_id,
            "token_id": claims.token_id,
        },
    )


def live_session(claims: Claims) -> Row | None:
    """Return `last_used_at` of a refresh token's session; None if it is over."""
    return database.fetch_one(
        _LIVE_SESSION,
        {
            "session_id": claims.session_id,
            "token_id": claims.token_id,
            "user_id": claims.user_id,
            "generation": claims.generation,
            "token_version": claims.token_version,
            "now": clock.utcnow(),
        },
    )


def account(identifier: str) -> Row | None:
    """Return the account with that username or e-mail address, hash included.

    No username contains an @ and every address does, so there is no doubt which it is.
    """
    statement = _ACCOUNT_BY_EMAIL if "@" in identifier else _ACCOUNT_BY_USERNAME
    return database.fetch_one(statement, {"key": text.fold(identifier.strip())})
