"""One's own lists of blocked and of muted users, newest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sqlalchemy import CTE, bindparam, func, literal_column, or_, select, true

from careers_users import clock
from careers_users.database import Query, room_for
from careers_users.follow.queries import IS_MUTE_ON
from careers_users.models import Block, Mute, User
from careers_users.profile import visibility
from careers_users.profile.queries import CARD
from careers_users.profile.visibility import Caller
from careers_users.validation.cursor import Cursor, Direction, Page, page

List = Literal["blocks", "mutes"]


@dataclass(frozen=True)
class _Shape:
    """Everything that a statement depends on, apart from values."""

    of: List
    start: Literal["newest"] | Direction
    room: int
    has_blocks: bool


def listed(of: List, caller: Caller, query: Mapping[str, Any]) -> tuple[int, Page]:
    """Return how many rows the viewer's list has, and a batch of it.

    `query` is what the schema of the list loads.
    """
    cursor: Cursor | None = query["cursor"]
    shape = _Shape(
        of=of,
        start="newest" if cursor is None else cursor.direction,
        room=room_for(query["batch_size"]),
        has_blocks=caller.has_blocks,
    )
    place = {} if cursor is None else {"edge_id": cursor.row_id}
    found = _query(shape).all(viewer_id=caller.id, now=clock.utcnow(), **place)
    counts = [row.pop("count") for row in found]
    rows = [row for row in found if row["edge_id"] is not None]
    batch = page(
        rows,
        query["batch_size"],
        cursor,
        is_first=True,
        key="edge_id",
        of=cursor_owner(of, caller.id),
    )
    for row in batch.rows:
        del row["edge_id"]
    return counts[0], batch


def cursor_owner(of: List, user_id: int) -> str:
    """Return what cursors of a user's list say: which list it is, and whose."""
    return f"{of[0]}{user_id}"


@cache
def _query(shape: _Shape) -> Query:
    """Return the query of a page, and of the number of all rows.

    That stands first and the rest is joined to it, since it is wanted where a page is
    empty, too. A list is at most as long as its limit.
    """
    mine = _mine(shape)
    counted = select(func.count().label("count")).select_from(mine).subquery("counted")
    place, edge_id = mine.c.edge_id, bindparam("edge_id", type_=Block.id.type)
    order = place if shape.start == "newer" else place.desc()
    batch = select(mine).order_by(order).limit(literal_column(str(shape.room + 1)))
    if shape.start == "newer":
        batch = batch.where(place > edge_id)
    elif shape.start == "older":
        batch = batch.where(place < edge_id)
    rows = batch.subquery("batch")
    joined = counted.outerjoin(rows, true()).outerjoin(User, User.id == rows.c.user_id)
    more = [column for column in rows.c if column.key != "user_id"]
    last = rows.c.edge_id
    return Query(
        select(counted.c["count"], *CARD, *more)
        .select_from(joined)
        .order_by(last if shape.start == "newer" else last.desc())
    )


def _mine(shape: _Shape) -> CTE:
    """Return the whole list: place, user, and what a row shows beside the card."""
    if shape.of == "blocks":
        columns: list[Any] = [
            Block.id.label("edge_id"),
            Block.blocked_id.label("user_id"),
            Block.created_at,
        ]
        mine = Block.blocker_id == visibility.viewer_id()
        whole = select(*columns).join(User, User.id == Block.blocked_id).where(mine)
    else:
        columns = [
            Mute.id.label("edge_id"),
            Mute.muted_id.label("user_id"),
            Mute.created_at,
            Mute.muted_until,
        ]
        mine = Mute.muter_id == visibility.viewer_id()
        whole = (
            select(*columns)
            .join(User, User.id == Mute.muted_id)
            .where(mine, IS_MUTE_ON, *_meets(shape))
        )
    return whole.where(visibility.is_not_suspended()).cte("mine")


def _meets(shape: _Shape) -> list[Any]:
    """Return the condition on users who block the viewer: that it is mutual."""
    if not shape.has_blocks:
        return []
    return [
        or_(~visibility.blocks_viewer(User.id), visibility.viewer_blocks(User.id)),
    ]
