"""Suspension: a moderator shuts an account and hides it from everybody, for a time.

The account is shut, hidden and out of all totals with the commit; its edges follow in
batches. Whatever interrupts that, another call goes on, and so does the background job.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Exists, Select, bindparam, func, literal_column, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from careers_users import clock
from careers_users.account import parking
from careers_users.auth import audit, outgoing, suspension, tokens
from careers_users.auth.device import Device
from careers_users.database import Query, bulk
from careers_users.models import Follow, ParkedFollow, User

# Commands come from no device that a trail would tell.
_MODERATOR = Device("", "")
# Shows the progress of so many rows of something.
Progress = Callable[[str, int], AbstractContextManager[bulk.Report]]


@contextmanager
def _unseen(_label: str, _number: int) -> Iterator[bulk.Report]:
    yield lambda _rows: None


def suspend(
    user_id: int,
    reason: str,
    *,
    until: datetime | None = None,
    note: str | None = None,
    progress: Progress = _unseen,
) -> int | None:
    """Suspend a user, or change reason, end and note of a suspension.

    Return how many sessions that ended; None if there is no such user. `reason` is one
    of `auth.suspension.REASONS`. All tokens are refused from the commit on, and the
    user is hidden; then the edges are parked, which `progress` shows. The owner gets a
    mail, once, if the address is verified.
    """
    with audit.transaction() as trail:
        user = suspension.hold(user_id)
        if user is None:
            return None
        since = user["suspended_at"] or clock.utcnow()
        new = {
            "suspended_at": since,
            "suspended_until": until,
            "suspension_reason": reason,
            "suspension_note": note,
        }
        # A new version again: a login that has read what the end was may be under way.
        suspension.mark(user_id, **new, token_version=User.token_version + 1)
        ended = tokens.end_sessions(user_id, "suspended")
        if new != user:
            told = {"by": "operator", "reason": reason, "until": until}
            trail.record(
                "account_suspended", user_id, _MODERATOR, **told, sessions=ended
            )
        if user["suspended_at"] is None:
            notice = outgoing.SUSPENSION
            outgoing.put(trail.transaction, notice, user_id, _MODERATOR)
    _settle(user_id, progress)
    return ended


def restore(user_id: int, *, progress: Progress = _unseen) -> bool:
    """End the suspension of a user; return whether there was one.

    The user is visible from the commit on; then the edges come back, less those with a
    block, and those of others who are suspended. Sessions that ended stay so.
    """
    with audit.transaction() as trail:
        was_suspended = suspension.lift(trail, user_id, by="operator")
    _settle(user_id, progress)
    return was_suspended


def _settle(user_id: int, progress: Progress) -> None:
    with progress("Follows", parking.left(user_id)) as report:
        parking.settle(user_id, report)


# --------------------------------------------------------------------- background job


def settle_some() -> int:
    """Do a part of what suspensions have left to do, for a background job.

    End one whose time has come, or move a batch of edges that an interrupted command
    has left. Return how many; 0 if nothing is left.
    """
    over = _OVER.one(now=clock.utcnow())
    if over is not None:
        with audit.transaction() as trail:
            suspension.lift(trail, over["id"], by="clock")
        return 1
    user = _NOT_PARKED.one() or _NOT_BACK.one()
    return parking.settle_batch(user["id"]) if user else 0


def _has(end: InstrumentedAttribute[int]) -> Exists:
    # With an offset, if only of nothing, PostgreSQL asks the index for each user;
    # without, it may read all follows.
    mine: Select[Any] = select(literal_column("1")).where(end == User.id)
    return mine.offset(literal_column("0")).correlate(User).exists()


_IS_SUSPENDED = User.suspended_at.is_not(None)
_OVER = Query(
    select(User.id)
    .where(_IS_SUSPENDED)
    .where(User.suspended_until <= bindparam("now"))
    .order_by(User.id)
    .limit(1)
)
_NOT_PARKED = Query(
    select(User.id)
    .where(_IS_SUSPENDED)
    .where(or_(_has(Follow.follower_id), _has(Follow.following_id)))
    .order_by(User.id)
    .limit(1)
)
# Each owner is one step in the index, however many edges are parked.
_FIRST = select(func.min(ParkedFollow.user_id).label("user_id"))
_SOME = _FIRST.cte("owners", recursive=True)
_OWNERS = _SOME.union_all(
    select(
        _FIRST.where(ParkedFollow.user_id > _SOME.c.user_id)
        .correlate(_SOME)
        .scalar_subquery()
    ).where(_SOME.c.user_id.is_not(None))
)
_NOT_BACK = Query(
    select(User.id)
    .join(_OWNERS, _OWNERS.c.user_id == User.id)
    .where(User.suspended_at.is_(None))
    .limit(1)
)
