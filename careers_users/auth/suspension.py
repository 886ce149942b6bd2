"""Whether an account is suspended, what that refuses, and how it begins and ends.

`account.suspension` is for callers: it moves the edges of the graph, too.
"""

from datetime import datetime

from sqlalchemy import RowMapping, select, update

from careers_users import clock
from careers_users.auth.audit import Trail
from careers_users.auth.device import Device
from careers_users.database import Row
from careers_users.extensions import db
from careers_users.http.errors import Forbidden
from careers_users.models import User, UserCounters

# Reasons that a moderator can give. The owner of the account is told.
REASONS = ("spam", "abuse", "impersonation", "legal", "other")
_NOT_SUSPENDED = {
    "suspended_at": None,
    "suspended_until": None,
    "suspension_reason": None,
    "suspension_note": None,
}


class AccountSuspended(Forbidden):
    """A moderator has suspended the account; only its right password is told so."""

    code = "account_suspended"
    error = "This account is suspended"

    def __init__(self, reason: str = REASONS[0], until: datetime | None = None) -> None:
        super().__init__({"reason": reason, "until": until})


def is_suspended(account: Row | RowMapping) -> bool:
    """Return whether an account is suspended now, by the clock.

    `account` has its user's columns `suspended_at` and `suspended_until`. One whose
    time has come stays hidden until `lift` has ended the suspension.
    """
    until = account["suspended_until"]
    is_over = until is not None and until <= clock.utcnow()
    return account["suspended_at"] is not None and not is_over


def lift(trail: Trail, user_id: int, *, by: str) -> bool:
    """End the suspension of a user; return whether there was one. The caller commits.

    `by` is "operator"; or "clock", which ends none before its time.
    """
    user = hold(user_id)
    if user is None or user["suspended_at"] is None:
        return False
    if by == "clock" and is_suspended(user):
        return False
    mark(user_id, **_NOT_SUSPENDED)
    trail.record("account_restored", user_id, Device("", ""), by=by)
    return True


def hold(user_id: int) -> RowMapping | None:
    """Return what the suspension of a user is, and keep others from changing it.

    Also from follows of the user until the commit: who makes an edge locks the counters
    of its ends, and looks at their suspensions afterwards. The order of locks is that
    of a deletion: user, counters, sessions.
    """
    columns = [getattr(User, name) for name in _NOT_SUSPENDED]
    user = select(*columns).where(User.id == user_id).with_for_update(key_share=True)
    found = db.session.execute(user).mappings().one_or_none()
    counters = select(UserCounters.user_id).where(UserCounters.user_id == user_id)
    db.session.execute(counters.with_for_update(key_share=True))
    return found


def mark(user_id: int, **values: object) -> None:
    """Write columns of a suspension; after `hold`. The caller commits."""
    db.session.execute(
        update(User)
        .where(User.id == user_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
