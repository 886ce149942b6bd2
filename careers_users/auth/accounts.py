"""What an operator does with an account: create, shut, open, delete, sign out."""

from typing import Any

from sqlalchemy import CursorResult, RowMapping, delete, select, update
from sqlalchemy import text as sql
from sqlalchemy.exc import IntegrityError

from careers_users import clock, security_log, text
from careers_users.auth import queries
from careers_users.auth.passwords import passwords
from careers_users.auth.service import add_user, taken
from careers_users.errors import ServiceError
from careers_users.extensions import db
from careers_users.models import Follow, RefreshToken, Total, User, UserCounters

# Who did it, in the security log.
_OPERATOR = "operator"


class NoSuchAccount(ServiceError):
    """No account has this username or e-mail address."""

    status = 404
    code = "user_not_found"
    error = "There is no such user"


def find(identifier: str) -> RowMapping:
    """Return the account with that username or e-mail address, or NoSuchAccount."""
    account = queries.account(identifier)
    if account is None:
        raise NoSuchAccount
    return account


def create(account: dict[str, Any]) -> RowMapping:
    """Add an account without a session; `account` is what RegisterSchema loads.

    Raises UsernameTaken or EmailTaken, as the database decides.
    """
    password_hash = passwords().hash(account["password"])
    try:
        with db.session.begin():
            user = add_user(account, password_hash)
    except IntegrityError as error:
        raise taken(error, account["username"]) from error
    security_log.record("registered", user["id"], by=_OPERATOR)
    return user


def set_password(user_id: int, password: str) -> int:
    """Give an account a new password; return how many sessions that ended."""
    password_hash = passwords().hash(text.nfc(password))
    with db.session.begin():
        _change(user_id, password_hash=password_hash)
        ended = _end_sessions(user_id, "password_changed")
    security_log.record("password_changed", user_id, by=_OPERATOR, sessions=ended)
    return ended


def revoke_sessions(user_id: int) -> int:
    """Sign an account out everywhere; return how many sessions that ended."""
    with db.session.begin():
        ended = _end_sessions(user_id, "revoked")
    security_log.record("session_ended", user_id, by=_OPERATOR, sessions=ended)
    return ended


def deactivate(user_id: int) -> int:
    """Shut an account: nobody can sign in; return how many sessions that ended."""
    with db.session.begin():
        _change(user_id, is_active=False)
        ended = _end_sessions(user_id, "deactivated")
    security_log.record("account_deactivated", user_id, by=_OPERATOR, sessions=ended)
    return ended


def activate(user_id: int) -> None:
    """Open an account again; the sessions that ended stay so."""
    with db.session.begin():
        _change(user_id, is_active=True)
    security_log.record("account_activated", user_id, by=_OPERATOR)


def _change(user_id: int, **values: Any) -> None:
    result = db.session.execute(
        update(User)
        .where(User.id == user_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)
    if result.rowcount == 0:  # Deleted since it was looked up.
        raise NoSuchAccount


def _end_sessions(user_id: int, reason: str) -> int:
    """End all sessions; tokens of an older version are refused at once."""
    _change(user_id, token_version=User.token_version + 1)
    now = clock.utcnow()
    result = db.session.execute(
        update(RefreshToken)
        .where(RefreshToken.user_id == user_id)
        .where(RefreshToken.revoked_at.is_(None))
        .where(RefreshToken.expires_at > now)
        .values(revoked_at=now, revoked_reason=reason)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)
    return result.rowcount


# --------------------------------------------------------------------------- deletion


def remove(user_id: int) -> None:
    """Delete an account with its sessions and edges; others' counters stay exact.

    Rows are locked in the order in which everybody locks them: the user, who can then
    get no new edges; the edges; the counters by user; the total, last.
    """
    with db.session.begin():
        if db.engine.dialect.name == "postgresql":
            # A popular account has very many edges.
            db.session.execute(sql("SET LOCAL statement_timeout = 0"))
        _lock(user_id)
        _uncount(user_id)
        db.session.execute(delete(User).where(User.id == user_id))
        db.session.execute(
            update(Total).where(Total.name == "users").values(value=Total.value - 1)
        )
    security_log.record("account_deleted", user_id, by=_OPERATOR)


def _lock(user_id: int) -> None:
    user = select(User.id).where(User.id == user_id).with_for_update()
    if db.session.execute(user).one_or_none() is None:
        raise NoSuchAccount
    edges = (
        select(Follow.id)
        .where((Follow.follower_id == user_id) | (Follow.following_id == user_id))
        .order_by(Follow.id)
        .with_for_update()
    )
    db.session.execute(edges).all()
    counters = (
        select(UserCounters.user_id)
        .where(
            UserCounters.user_id.in_(_followers(user_id))
            | UserCounters.user_id.in_(_followed(user_id))
        )
        .order_by(UserCounters.user_id)
        .with_for_update()
    )
    db.session.execute(counters).all()


def _uncount(user_id: int) -> None:
    for others, counter in (
        (_followers(user_id), UserCounters.following_count),
        (_followed(user_id), UserCounters.followers_count),
    ):
        db.session.execute(
            update(UserCounters)
            .where(UserCounters.user_id.in_(others))
            .values({counter: counter - 1})
            .execution_options(synchronize_session=False)
        )


def _followers(user_id: int) -> Any:
    return select(Follow.follower_id).where(Follow.following_id == user_id)


def _followed(user_id: int) -> Any:
    return select(Follow.following_id).where(Follow.follower_id == user_id)
