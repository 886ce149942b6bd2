"""The lists of the graph, newest first: who follows whom, in pages.

A page is a walk in one index, before any wide row is read. Where the viewer has blocks,
or leaves muted users out, the walk looks at each edge for these, so that pages are
full. Edges of suspended users are parked within a minute. Until then such an edge is a
row of a page without a user, and left out of the reply.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.orm import aliased

from careers_users import clock, database
from careers_users.database import Query, room_for
from careers_users.follow.queries import IS_MUTE_ON
from careers_users.models import Follow, Mute, User, UserCounters
from careers_users.profile import visibility
from careers_users.profile.queries import CARD
from careers_users.profile.visibility import Caller
from careers_users.validation.cursor import Cursor, Direction, Page, Side, page
from careers_users.validation.usernames import is_username

# Where a page begins: at the newest edge, after a number of them, next to a cursor.
Start = Literal["newest", "skipped"] | Direction


@dataclass(frozen=True)
class _Shape:
    """Everything that a statement depends on, apart from values.

    Cards go by the owner's username, edges by the id. `room` is how many rows there are
    at most; the statement asks for one more, which shows that a page comes after it.
    """

    is_sqlite: bool
    side: Side
    start: Start
    room: int
    has_cards: bool
    has_blocks: bool
    without_muted: bool


def edges(
    user_id: int, side: Side, query: Mapping[str, Any]
) -> tuple[int, Page] | None:
    """Return how many edges the viewer has, and a batch of them; None without a viewer.

    `query` is what FollowsQuerySchema or FollowingQuerySchema loads.
    """
    # No edge is left between two of whom one blocks the other.
    return _page(side, query, Caller(user_id), owner=user_id, has_cards=False)


def cards(
    username: str, side: Side, query: Mapping[str, Any], caller: Caller
) -> tuple[int, Page] | None:
    """Return how many followers a user has, and a batch of their cards.

    Or of those whom the user follows. None if there is no such user, or if the user is
    hidden from the viewer.
    """
    if not is_username(username):
        return None
    return _page(side, query, caller, owner=username.lower(), has_cards=True)


def _page(
    side: Side,
    query: Mapping[str, Any],
    caller: Caller,
    *,
    owner: int | str,
    has_cards: bool,
) -> tuple[int, Page] | None:
    cursor: Cursor | None = query["cursor"]
    size = query["batch_size"]
    parameters: dict[str, Any] = {"owner": owner, "viewer_id": caller.id}
    start: Start
    if cursor is not None:
        start, parameters["edge_id"] = cursor.direction, cursor.row_id
    else:
        skipped = parameters["skipped"] = query["batch_number"] * size
        start = "skipped" if skipped else "newest"
    without_muted = bool(query.get("muted"))
    if without_muted:
        parameters["now"] = clock.utcnow()
    shape = _Shape(
        is_sqlite=database.is_sqlite(),
        side=side,
        start=start,
        room=room_for(size),
        has_cards=has_cards,
        has_blocks=caller.has_blocks,
        without_muted=without_muted,
    )
    found = _query(shape).all(**parameters)
    count = _count(shape, found, parameters)
    if count is None:
        return None
    is_first = query["batch_number"] == 0
    batch = page(found, size, cursor, is_first=is_first, key="edge_id")
    for row in batch.rows:
        del row["edge_id"]
    # Nothing is joined to the edge of a suspended user.
    batch.rows[:] = [row for row in batch.rows if row["id"] is not None]
    return count, batch


def _count(
    shape: _Shape, found: list[dict[str, Any]], parameters: Mapping[str, Any]
) -> int | None:
    """Take the owner's number of edges out of the rows; None if there is no owner.

    Only if no row could bring it along, it takes a statement of its own.
    """
    counts: list[int] = [row.pop("count") for row in found]
    if counts:
        return counts[0]
    row = _owner_query(replace(shape, start="newest", room=0)).one(**parameters)
    return None if row is None else row["count"]


@cache
def _owner_query(shape: _Shape) -> Query:
    return Query(_owner(shape))


def _owner(shape: _Shape) -> Select[Any]:
    """Return the SELECT of whose list it is, with how many edges that has."""
    count: ColumnElement[int] = (
        UserCounters.followers_count.expression
        if shape.side == "followers"
        else UserCounters.following_count.expression
    )
    if shape.without_muted:
        count = count - _number_of_muted(shape)
    columns: list[Any] = [User.id, count.label("count")]
    owner = select(*columns).join(UserCounters, UserCounters.user_id == User.id)
    if not shape.has_cards:
        return owner.where(User.id == bindparam("owner"))
    return owner.where(
        User.username_key == bindparam("owner"),
        *visibility.by_name(has_blocks=shape.has_blocks),
    )


def _number_of_muted(shape: _Shape) -> ColumnElement[int]:
    """Return how many of the owner's edges lead to users whom the viewer mutes."""
    mine, other = _ends_of(Follow, shape)
    return (
        select(func.count())
        .select_from(Mute)
        .join(Follow, and_(other == Mute.muted_id, mine == User.id))
        .where(Mute.muter_id == visibility.viewer_id())
        .where(IS_MUTE_ON)
        .correlate(User)
        .scalar_subquery()
    )


def _ends_of(edges: Any, shape: _Shape) -> tuple[Any, Any]:
    """Return the columns of the owner and of the other one."""
    if shape.side == "followers":
        return edges.following_id, edges.follower_id
    return edges.follower_id, edges.following_id


@cache
def _query(shape: _Shape) -> Query:
    """Return the query of a page, with one row more than it has room for."""
    owner = _owner(shape).cte("owner")
    batch = _batch(shape, owner)
    mine, other = _ends_of(batch.c, shape)
    # The order that the batch has, so that nothing has to be sorted.
    order: tuple[ColumnElement[Any], ...] = (mine, batch.c.id)
    if shape.start != "newer":
        order = (mine.desc(), batch.c.id.desc())
    extra = (
        batch.c.id.label("edge_id"),
        select(owner.c["count"]).scalar_subquery().label("count"),
    )
    if shape.has_cards:
        rows = batch.outerjoin(
            User, and_(User.id == other, visibility.is_not_suspended())
        )
        return Query(select(*CARD, *extra).select_from(rows).order_by(*order))
    me, them = aliased(User), aliased(User)
    follower, following = (them, me) if shape.side == "followers" else (me, them)
    rows = batch.join(me, me.id == mine).outerjoin(
        them, and_(them.id == other, visibility.is_not_suspended(them))
    )
    return Query(
        select(
            case((them.id.is_not(None), batch.c.id)).label("id"),
            batch.c.follower_id.label("follower"),
            batch.c.following_id.label("following"),
            follower.username.label("follower_username"),
            following.username.label("following_username"),
            batch.c.created_at.label("created_at"),
            *extra,
        )
        .select_from(rows)
        .order_by(*order)
    )


def _batch(shape: _Shape, owner: CTE) -> Subquery:
    """Return the edges of a page: a walk in one index, before any wide row is read."""
    mine, other = _ends_of(Follow, shape)
    owner_id = select(owner.c.id).scalar_subquery()
    edge_id = bindparam("edge_id", type_=Follow.id.type)
    batch = select(
        Follow.id, Follow.follower_id, Follow.following_id, Follow.created_at
    ).limit(literal_column(str(shape.room + 1)))
    if shape.start == "skipped":
        batch = batch.offset(bindparam("skipped", type_=BigInteger()))
    if shape.start == "newer":
        batch = batch.order_by(mine, Follow.id)
    else:
        batch = batch.order_by(mine.desc(), Follow.id.desc())
    if shape.is_sqlite:
        batch = batch.where(mine == owner_id)
        bound = Follow.id > edge_id if shape.start == "newer" else Follow.id < edge_id
    else:
        # A range of (owner, edge) instead of an equation. From that PostgreSQL would
        # conclude that they are a few dozen, as most users' are, and read and sort all
        # of a celebrity's for each page: 3.5 ms instead of 0.1, and growing.
        place, here = tuple_(mine, Follow.id), tuple_(owner_id, edge_id)
        batch = batch.where(mine >= owner_id, mine <= owner_id)
        bound = place > here if shape.start == "newer" else place < here
    if shape.start in ("newer", "older"):
        batch = batch.where(bound)
    return batch.where(*_met(shape, other)).subquery("batch")


def _met(shape: _Shape, other: Any) -> list[ColumnElement[bool]]:
    """Return the conditions that the walk itself looks at, for each edge."""
    conditions: list[ColumnElement[bool]] = []
    if shape.has_blocks and shape.has_cards:
        conditions = visibility.is_not_blocked(other)
    if shape.without_muted:
        is_muted: Select[Any] = (
            select(literal_column("1"))
            .select_from(Mute)
            .where(Mute.muter_id == visibility.viewer_id())
            .where(Mute.muted_id == other)
            .where(IS_MUTE_ON)
            .correlate_except(Mute)
        )
        conditions.append(~visibility.asked_each_time(is_muted))
    return conditions
