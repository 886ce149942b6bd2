"""The operator's use cases of an account: create, shut, open, sign out."""

from typing import Any

from sqlalchemy import CursorResult, RowMapping, update
from sqlalchemy.exc import IntegrityError

from careers_users.auth import audit, links, outgoing, queries, tokens
from careers_users.auth.audit import Trail
from careers_users.auth.device import Device
from careers_users.auth.email_change import NOTHING_PENDING
from careers_users.auth.password_hashing import passwords
from careers_users.auth.registration import add_user, taken
from careers_users.database import Row
from careers_users.extensions import db
from careers_users.http.errors import ServiceError
from careers_users.models import User
from careers_users.validation import text

# The operator's name in the security log and in the trail.
_OPERATOR = "operator"
# Commands come from nowhere that a trail would tell.
_TERMINAL = Device("", "")


class NoSuchAccount(ServiceError):
    """No account has this username or e-mail address."""

    status = 404
    code = "user_not_found"
    error = "There is no such user"


def find(identifier: str) -> Row:
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
        with audit.transaction() as trail:
            user = add_user(account, password_hash)
            trail.record("registered", user["id"], _TERMINAL, by=_OPERATOR)
            outgoing.put_verification(trail.transaction, user["id"], _TERMINAL)
    except IntegrityError as error:
        raise taken(error, account["username"]) from error
    return user


def set_password(user_id: int, password: str) -> int:
    """Give an account a new password; return how many sessions that ended."""
    password_hash = passwords().hash(text.nfc(password))
    with audit.transaction() as trail:
        _change(user_id, password_hash=password_hash, **NOTHING_PENDING)
        links.void(trail.transaction, user_id, links.RESET, *links.CHANGE)
        outgoing.put(trail.transaction, outgoing.PASSWORD, user_id, _TERMINAL)
        ended = _end_sessions(user_id, "password_changed")
        _record(trail, "password_changed", user_id, ended)
    return ended


def revoke_sessions(user_id: int) -> int:
    """Sign an account out everywhere; return how many sessions that ended."""
    with audit.transaction() as trail:
        ended = _end_sessions(user_id, "revoked")
        _record(trail, "session_ended", user_id, ended)
    return ended


def deactivate(user_id: int) -> int:
    """Shut an account to sign-ins; return how many sessions that ended.

    The links in mail end, too: none is good again when the account is opened.
    """
    with audit.transaction() as trail:
        _change(user_id, is_active=False, **NOTHING_PENDING)
        links.void(trail.transaction, user_id, links.RESET, *links.CHANGE)
        ended = _end_sessions(user_id, "deactivated")
        _record(trail, "account_deactivated", user_id, ended)
    return ended


def activate(user_id: int) -> None:
    """Open an account again; the sessions that ended stay so."""
    with audit.transaction() as trail:
        _change(user_id, is_active=True)
        trail.record("account_activated", user_id, _TERMINAL, by=_OPERATOR)


def _record(trail: Trail, event: str, user_id: int, sessions: int) -> None:
    trail.record(event, user_id, _TERMINAL, by=_OPERATOR, sessions=sessions)


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
    return tokens.end_sessions(user_id, reason)
