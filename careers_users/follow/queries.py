"""What is read of the graph: who follows whom, newest first."""

from collections.abc import Mapping, Sequence
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
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.orm import aliased

from careers_users import database
from careers_users.database import Query, Row, room_for
from careers_users.models import Follow, User, UserCounters
from careers_users.profile.queries import CARD
from careers_users.validation.cursor import Cursor, Direction, Page, Side, page
from careers_users.validation.usernames import is_username

Shape = Literal["cards", "edges"]
# Where a page begins: at the newest edge, after a number of them, next to a cursor.
Start = Literal["newest", "skipped"] | Direction

_USER = select(User.id, User.username)
_USER_BY_USERNAME = Query(_USER.where(User.username_key == bindparam("key")))
_USER_BY_ID = Query(_USER.where(User.id == bindparam("user_id")))

_FOLLOWER = aliased(User)
_FOLLOWING = aliased(User)
_EDGE = Query(
    select(
        Follow.id,
        Follow.follower_id.label("follower"),
        Follow.following_id.label("following"),
        _FOLLOWER.username.label("follower_username"),
        _FOLLOWING.username.label("following_username"),
        Follow.created_at,
    )
    .join(_FOLLOWER, _FOLLOWER.id == Follow.follower_id)
    .join(_FOLLOWING, _FOLLOWING.id == Follow.following_id)
    .where(Follow.follower_id == bindparam("follower_id"))
    .where(Follow.following_id == bindparam("following_id"))
)

_THERE = aliased(Follow)
_BACK = aliased(Follow)
_RELATIONSHIPS = Query(
    select(
        User.id,
        _THERE.id.is_not(None).label("following"),
        _BACK.id.is_not(None).label("followed_by"),
        _THERE.created_at.label("followed_at"),
    )
    .outerjoin(
        _THERE,
        and_(
            _THERE.follower_id == bindparam("viewer_id"),
            _THERE.following_id == User.id,
        ),
    )
    .outerjoin(
        _BACK,
        and_(
            _BACK.follower_id == User.id,
            _BACK.following_id == bindparam("viewer_id"),
        ),
    )
    .where(User.id.in_(bindparam("ids", expanding=True)))
)


def user_by_id(user_id: int) -> Row | None:
    """Return id and username of a user."""
    return _USER_BY_ID.one(user_id=user_id)


def user_by_username(username: str) -> Row | None:
    """Return id and username of a user, whatever the name's case."""
    if not is_username(username):
        return None
    return _USER_BY_USERNAME.one(key=username.lower())


def edge(follower_id: int, following_id: int) -> Row | None:
    """Return the edge between two users, with the names at its ends."""
    return _EDGE.one(follower_id=follower_id, following_id=following_id)


def relationships(viewer_id: int, user_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return how the viewer and each of these users stand, in the order of the ids.

    In one statement. Ids of no user are left out.
    """
    if not user_ids:
        return []
    rows = _RELATIONSHIPS.all(viewer_id=viewer_id, ids=user_ids)
    found = {row["id"]: row for row in rows}
    return [dict(found[user_id]) for user_id in user_ids if user_id in found]


def edges(
    user_id: int, side: Side, query: Mapping[str, Any]
) -> tuple[int, Page] | None:
    """Return how many edges a user has, and a batch of them; None without that user.

    `query` is what FollowsQuerySchema loads.
    """
    return _page("edges", side, query, {"owner": user_id})


def cards(
    username: str, side: Side, query: Mapping[str, Any], viewer_id: int
) -> tuple[int, Page] | None:
    """Return how many followers a user has, and a batch of their cards.

    Or those whom the user follows. None if there is no such user.
    """
    if not is_username(username):
        return None
    owner = {"owner": username.lower(), "viewer_id": viewer_id}
    return _page("cards", side, query, owner)


def _page(
    shape: Shape, side: Side, query: Mapping[str, Any], parameters: dict[str, Any]
) -> tuple[int, Page] | None:
    cursor: Cursor | None = query["cursor"]
    size = query["batch_size"]
    start: Start
    if cursor is not None:
        start, parameters["edge_id"] = cursor.direction, cursor.row_id
    else:
        skipped = parameters["skipped"] = query["batch_number"] * size
        start = "skipped" if skipped else "newest"
    room, is_sqlite = room_for(size), database.is_sqlite()
    found = _query(shape, side, start, room, is_sqlite=is_sqlite).all(**parameters)
    count = _count(shape, side, found, parameters["owner"])
    if count is None:
        return None
    is_first = query["batch_number"] == 0
    batch = page(found, size, cursor, is_first=is_first, key="edge_id")
    for row in batch.rows:
        del row["edge_id"]
    return count, batch


def _count(
    shape: Shape, side: Side, found: list[dict[str, Any]], owner: int | str
) -> int | None:
    """Take the owner's number of edges out of the rows; None if there is no owner.

    Only if no row could bring it along, it takes a statement of its own.
    """
    counts: list[int] = [row.pop("count") for row in found]
    if counts:
        return counts[0]
    row = _owner_query(shape, side).one(owner=owner)
    return None if row is None else row["count"]


@cache
def _owner_query(shape: Shape, side: Side) -> Query:
    return Query(_owner(shape, side))


def _owner(shape: Shape, side: Side) -> Select[Any]:
    """Return the SELECT of whose list it is: cards go by username, edges by id."""
    count = (
        UserCounters.followers_count
        if side == "followers"
        else UserCounters.following_count
    )
    by = User.username_key if shape == "cards" else User.id
    columns: list[Any] = [User.id, count.label("count")]
    return (
        select(*columns)
        .join(UserCounters, UserCounters.user_id == User.id)
        .where(by == bindparam("owner"))
    )


@cache
def _query(
    shape: Shape, side: Side, start: Start, room: int, *, is_sqlite: bool
) -> Query:
    """Return the query of a page.

    It finds one row more than it has room for: is there a page after it?
    """
    owner = _owner(shape, side).cte("owner")
    batch = _batch(side, start, room + 1, owner, is_sqlite=is_sqlite)
    # The order that the batch has, so that nothing has to be sorted.
    mine = batch.c.following_id if side == "followers" else batch.c.follower_id
    order: tuple[ColumnElement[Any], ...] = (mine, batch.c.id)
    if start != "newer":
        order = (mine.desc(), batch.c.id.desc())
    extra = (
        batch.c.id.label("edge_id"),
        select(owner.c["count"]).scalar_subquery().label("count"),
    )
    if shape == "cards":
        other = batch.c.follower_id if side == "followers" else batch.c.following_id
        return Query(
            select(*CARD, *extra).join(batch, User.id == other).order_by(*order)
        )
    follower = aliased(User)
    following = aliased(User)
    return Query(
        select(
            batch.c.id.label("id"),
            batch.c.follower_id.label("follower"),
            batch.c.following_id.label("following"),
            follower.username.label("follower_username"),
            following.username.label("following_username"),
            batch.c.created_at.label("created_at"),
            *extra,
        )
        .join(follower, follower.id == batch.c.follower_id)
        .join(following, following.id == batch.c.following_id)
        .order_by(*order)
    )


def _batch(
    side: Side, start: Start, rows: int, owner: CTE, *, is_sqlite: bool
) -> Subquery:
    """Return the edges of a page: a walk in one index, before any wide row is read."""
    mine = Follow.following_id if side == "followers" else Follow.follower_id
    owner_id = select(owner.c.id).scalar_subquery()
    edge_id = bindparam("edge_id", type_=Follow.id.type)
    batch = select(
        Follow.id, Follow.follower_id, Follow.following_id, Follow.created_at
    ).limit(literal_column(str(rows)))
    if start == "skipped":
        batch = batch.offset(bindparam("skipped", type_=BigInteger()))
    if start == "newer":
        batch = batch.order_by(mine, Follow.id)
    else:
        batch = batch.order_by(mine.desc(), Follow.id.desc())
    if is_sqlite:
        batch = batch.where(mine == owner_id)
        bound = Follow.id > edge_id if start == "newer" else Follow.id < edge_id
    else:
        # A range of (owner, edge) instead of an equation. From that PostgreSQL would
        # conclude that they are a few dozen, as most people's are, and read and sort
        # all of a celebrity's for each page: 3.5 ms instead of 0.1, and growing.
        place, here = tuple_(mine, Follow.id), tuple_(owner_id, edge_id)
        batch = batch.where(mine >= owner_id, mine <= owner_id)
        bound = place > here if start == "newer" else place < here
    if start in ("newer", "older"):
        batch = batch.where(bound)
    return batch.subquery("batch")
