"""Mutes: users whom the feeds of another leave out, for good or for a while."""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, func, insert, select, update

from careers_users import clock
from careers_users.auth import throttle
from careers_users.database import Query, Row, Transaction
from careers_users.follow import pairs
from careers_users.follow.pairs import LimitReached
from careers_users.follow.queries import IS_MUTE_ON
from careers_users.models import Mute, User
from careers_users.validation.limits import MUTES_MAX

_VIEWER_ID, _USER_ID = (
    bindparam(name, type_=User.id.type) for name in ("viewer_id", "user_id")
)
_UNTIL = bindparam("until", type_=Mute.muted_until.type)
_IS_OF_PAIR = (Mute.muter_id == _VIEWER_ID, Mute.muted_id == _USER_ID)
_NUMBER = Query(
    select(func.count().label("number"))
    .where(Mute.muter_id == _VIEWER_ID)
    .where(Mute.muted_id != _USER_ID)
    .where(IS_MUTE_ON)
)
_ADD = Query(
    insert(Mute).values(
        muter_id=_VIEWER_ID,
        muted_id=_USER_ID,
        created_at=bindparam("now", type_=Mute.created_at.type),
        muted_until=_UNTIL,
    )
)
_CHANGE = Query(
    update(Mute).where(*_IS_OF_PAIR).values(muted_until=_UNTIL).returning(Mute.id)
)
_REMOVE = Query(delete(Mute).where(*_IS_OF_PAIR))
# Mutes that have ended do no harm; the next mute of the same user deletes them.
_REMOVE_ENDED = Query(
    delete(Mute)
    .where(Mute.muter_id == _VIEWER_ID)
    .where(Mute.muted_until <= bindparam("now", type_=Mute.muted_until.type))
)


def mute(
    viewer: Row, username: str, seconds: int | None
) -> tuple[str, datetime | None]:
    """Make the viewer mute a user, for so many seconds or for good.

    Return the user's name as typed, and the end. A mute that is there gets the new end.
    Raises UserNotFound, CannotTargetSelf, RateLimited or, for a new one, LimitReached.
    """
    user = pairs.target(viewer, username)
    now = clock.utcnow()
    until = None if seconds is None else now + timedelta(seconds=seconds)
    with (
        pairs.limited(viewer["id"]) as bucket,
        pairs.changing(viewer["id"], user["id"]) as transaction,
    ):
        throttle.count(transaction, bucket)
        transaction.defer(_REMOVE_ENDED, viewer_id=viewer["id"], now=now)
        _write(transaction, viewer["id"], user["id"], now, until)
    return user["username"], until


def _write(
    transaction: Transaction,
    viewer_id: int,
    user_id: int,
    now: datetime,
    until: datetime | None,
) -> None:
    both = {"viewer_id": viewer_id, "user_id": user_id}
    if transaction.execute(_CHANGE, **both, until=until):
        return
    if transaction.execute(_NUMBER, **both, now=now)[0]["number"] >= MUTES_MAX:
        raise LimitReached
    transaction.defer(_ADD, **both, now=now, until=until)


def unmute(viewer: Row, username: str) -> str:
    """Make the viewer not mute a user; return the user's name as typed.

    Raises UserNotFound or CannotTargetSelf.
    """
    user = pairs.target(viewer, username)
    with pairs.changing(viewer["id"], user["id"]) as transaction:
        transaction.defer(_REMOVE, viewer_id=viewer["id"], user_id=user["id"])
    name: str = user["username"]
    return name
