"""Blocks: two users no longer meet each other, and follow each other no longer."""

from sqlalchemy import bindparam, delete, exists, func, insert, select, update

from careers_users import clock
from careers_users.auth import throttle
from careers_users.database import Query, Row
from careers_users.follow import edges, pairs
from careers_users.follow.pairs import LimitReached
from careers_users.models import Block, User
from careers_users.validation.limits import BLOCKS_MAX

_VIEWER_ID, _USER_ID = (
    bindparam(name, type_=User.id.type) for name in ("viewer_id", "user_id")
)
_STATE = Query(
    select(
        exists()
        .where(Block.blocker_id == _VIEWER_ID, Block.blocked_id == _USER_ID)
        .label("is_blocking"),
        select(func.count())
        .where(Block.blocker_id == _VIEWER_ID)
        .scalar_subquery()
        .label("number"),
    )
)
_ADD = Query(
    insert(Block).values(
        blocker_id=_VIEWER_ID,
        blocked_id=_USER_ID,
        created_at=bindparam("created_at", type_=Block.created_at.type),
    )
)
_FLAG = Query(
    update(User)
    .where(User.id.in_([_VIEWER_ID, _USER_ID]))
    .where(~User.has_blocks)
    .values(has_blocks=True)
)
_REMOVE = Query(
    delete(Block)
    .where(Block.blocker_id == _VIEWER_ID)
    .where(Block.blocked_id == _USER_ID)
)


class _FollowedMeanwhile(Exception):
    """An edge was added while the block was being made."""


def block(viewer: Row, username: str) -> str:
    """Make the viewer block a user; return the user's name as typed.

    Ends the edges between them. Raises UserNotFound, CannotTargetSelf or, for a block
    that is not there yet, LimitReached or RateLimited.
    """
    user = pairs.target(viewer, username)
    is_done = user["is_blocking"]
    while not is_done:
        is_done = _block(viewer["id"], user["id"])
    name: str = user["username"]
    return name


def _block(viewer_id: int, user_id: int) -> bool:
    """Add the block; return False if an edge came in between, and nothing is done."""
    both = {"viewer_id": viewer_id, "user_id": user_id}
    ends = {"follower": viewer_id, "following": user_id}
    try:
        with (
            pairs.limited(viewer_id) as bucket,
            pairs.changing(viewer_id, user_id) as transaction,
        ):
            state = transaction.execute(_STATE, **both)[0]
            if state["is_blocking"]:
                return True
            if state["number"] >= BLOCKS_MAX:
                raise LimitReached
            throttle.count(transaction, bucket)
            transaction.defer(_ADD, **both, created_at=clock.utcnow())
            transaction.defer(_FLAG, **both)
            transaction.defer(edges.REMOVE_BOTH_PARKED, **ends)
            removed = transaction.execute(edges.REMOVE_BOTH, **ends)
            # A follow under way holds these, and looks for blocks when it has them.
            transaction.execute(edges.LOCK_COUNTERS, **ends)
            if transaction.execute(edges.BETWEEN, **ends):
                raise _FollowedMeanwhile
            for edge in removed:
                transaction.defer(edges.COUNT, **edge, by=-1)
    except _FollowedMeanwhile:
        return False
    return True


def unblock(viewer: Row, username: str) -> str:
    """Make the viewer not block a user; return the user's name as typed.

    Edges stay ended. Raises UserNotFound or CannotTargetSelf.
    """
    user = pairs.target(viewer, username)
    if user["is_blocking"]:
        with pairs.changing(viewer["id"], user["id"]) as transaction:
            transaction.defer(_REMOVE, viewer_id=viewer["id"], user_id=user["id"])
    name: str = user["username"]
    return name
