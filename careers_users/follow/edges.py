"""The statements that change edges, with the counters at their ends.

Locks are taken in one order: parked edges, edges, then counters by ascending user id.
"""

from typing import cast

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from careers_users import clock
from careers_users.database import Query
from careers_users.models import Block, Follow, ParkedFollow, User, UserCounters

# Made once, and of tables: making them anew, and the ORM's part in running them, was
# most of a follow's time.
_edges = cast(Table, Follow.__table__)
_counters = cast(Table, UserCounters.__table__)
_users = cast(Table, User.__table__)
_blocks = cast(Table, Block.__table__)
_parked = cast(Table, ParkedFollow.__table__)
# Neither a list nor an addition gives a parameter its type.
_ID, _NAMES = Follow.follower_id.type, ("follower", "following")
_FOLLOWER, _FOLLOWING = (bindparam(name, type_=_ID) for name in _NAMES)
_USER_IDS = [_FOLLOWER, _FOLLOWING]
_CREATED_AT = bindparam("created_at", type_=Follow.created_at.type)
_COLUMNS = ["follower_id", "following_id", "created_at"]
# Without a reference to an account that is being deleted, which would wait for it.
ADD = Query(
    insert(_edges)
    .from_select(
        _COLUMNS,
        select(*_USER_IDS, _CREATED_AT).where(
            ~exists()
            .where(_users.c.id.in_(_USER_IDS))
            .where(_users.c.closing_until > _CREATED_AT)
        ),
    )
    .returning(_edges.c.id)
)
NUMBER_FOLLOWED = Query(
    select(_counters.c.following_count).where(
        _counters.c.user_id == bindparam("follower")
    )
)
REMOVE = Query(
    delete(_edges)
    .where(_edges.c.follower_id == bindparam("follower"))
    .where(_edges.c.following_id == bindparam("following"))
    .returning(_edges.c.id)
)
# An edge of a user who has just been restored may still be parked. It must not come
# back once it has been ended.
REMOVE_PARKED = Query(
    delete(_parked)
    .where(_parked.c.follower_id == _FOLLOWER)
    .where(_parked.c.following_id == _FOLLOWING)
)
# In ascending user id: of two follows of each other at once, each would otherwise hold
# the row that the other waits for. SQLite knows no FOR UPDATE, and needs none.
_ENDS = (
    select(_counters.c.user_id)
    .where(_counters.c.user_id.in_(_USER_IDS))
    .order_by(_counters.c.user_id)
    .with_for_update()
)
LOCK_COUNTERS = Query(_ENDS)
COUNT = Query(
    update(_counters)
    .where(_counters.c.user_id.in_(_ENDS))
    .values(
        {
            counter: counter
            + case(
                (_counters.c.user_id == bindparam(end), bindparam("by", type_=_ID)),
                else_=0,
            )
            for end, counter in (
                ("follower", _counters.c.following_count),
                ("following", _counters.c.followers_count),
            )
        }
        | {_counters.c.changed_at: clock.database_now()}
    )
)
_IS_BLOCKED = exists().where(
    or_(
        and_(_blocks.c.blocker_id == _FOLLOWER, _blocks.c.blocked_id == _FOLLOWING),
        and_(_blocks.c.blocker_id == _FOLLOWING, _blocks.c.blocked_id == _FOLLOWER),
    )
)
_IS_SUSPENDED = (
    exists().where(_users.c.id.in_(_USER_IDS)).where(_users.c.suspended_at.is_not(None))
)
# The last look of a follow, behind COUNT, which has locked the counters: a block and a
# suspension lock them before their commit, too. If there is one, this statement adds an
# edge that the constraint NOT_ONESELF refuses, and the transaction fails. So the look
# needs no answer, and is sent along with the commit.
FAIL_IF_HIDDEN = Query(
    insert(_edges).from_select(
        _COLUMNS,
        select(_FOLLOWER, _FOLLOWER, _CREATED_AT).where(
            or_(_IS_BLOCKED, _IS_SUSPENDED)
        ),
    )
)
NOT_ONESELF = "ck_follows_not_oneself"


def _is_of_pair(table: Table) -> ColumnElement[bool]:
    ends = table.c.follower_id, table.c.following_id
    return or_(
        and_(ends[0] == _FOLLOWER, ends[1] == _FOLLOWING),
        and_(ends[0] == _FOLLOWING, ends[1] == _FOLLOWER),
    )


_OF_THE_PAIR = _is_of_pair(_edges)
BETWEEN = Query(select(_edges.c.id).where(_OF_THE_PAIR))
REMOVE_BOTH_PARKED = Query(delete(_parked).where(_is_of_pair(_parked)))
REMOVE_BOTH = Query(
    delete(_edges)
    .where(_OF_THE_PAIR)
    .returning(
        _edges.c.follower_id.label("follower"), _edges.c.following_id.label("following")
    )
)
