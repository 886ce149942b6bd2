"""One condition that hides users, for every read of other users.

A suspended user is hidden from all. A block hides two users from each other in lists;
by name it hides the user who blocks, and the blocked one gets the same answer as for a
name without a user. Anonymous readers and sister services have no blocks.

Most viewers have none either, and a flag in their row says so. Each read is therefore
two statements that are made once, without and with blocks, and `Caller.has_blocks`
chooses: for viewers without blocks no statement looks for any.

Whatever else comes to hide users or their lists belongs here, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Exists,
    Select,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from careers_users.auth import identity
from careers_users.database import Query
from careers_users.models import Block, User

# The table, or an alias.
Users = Any


@dataclass(frozen=True, slots=True)
class Caller:
    """The viewer of a request, as far as reads of others depend on it."""

    id: int
    has_blocks: bool = False


def caller() -> Caller:
    """Return who asks: the viewer, or the anonymous one."""
    row = identity.viewer_or_none()
    if row is None:
        return Caller(identity.ANONYMOUS)
    return Caller(row["id"], row["has_blocks"])


def both(make: Callable[..., Query]) -> dict[bool, Query]:
    """Return the two queries of a read, by `has_blocks`, which `make` takes."""
    return {has_blocks: make(has_blocks=has_blocks) for has_blocks in (False, True)}


def is_not_suspended(user: Users = User) -> ColumnElement[bool]:
    """Return the condition of all who are visible to anybody."""
    condition: ColumnElement[bool] = user.suspended_at.is_(None)
    return condition


def by_name(user: Users = User, *, has_blocks: bool) -> list[ColumnElement[bool]]:
    """Return the conditions of users whom a viewer may meet by their name or number."""
    conditions = [is_not_suspended(user)]
    return [*conditions, ~blocks_viewer(user.id)] if has_blocks else conditions


def is_not_blocked(user_id: Any) -> list[ColumnElement[bool]]:
    """Return the conditions of users without a block on either side."""
    return [~viewer_blocks(user_id), ~blocks_viewer(user_id)]


def is_outside_blocks(user_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the same condition for many users: all blocks are read, once."""
    return user_id.not_in(union_all(_blocked_by_viewer(), _blocking_viewer()))


def number_blocked(*, is_sqlite: bool) -> ColumnElement[int]:
    """Return how many users, less suspended ones, a block on either side hides.

    PostgreSQL matches both sides' blocks by hashes: 0.1 ms for 1,000 of them. Where it
    may ask an index for each instead, it takes the wrong one, since most users have one
    block or none: 5 ms. SQLite asks the right one, and makes no hashes.
    """
    number = select(func.count())
    mine, back = _blocked_by_viewer().subquery(), _blocking_viewer().subquery()
    if not is_sqlite:
        either = mine.join(back, mine.c.user_id == back.c.user_id, full=True)
        user_id = func.coalesce(mine.c.user_id, back.c.user_id)
        suspended = select(User.id).where(~is_not_suspended())
        visible = number.select_from(either).where(user_id.not_in(suspended))
        return visible.scalar_subquery()
    is_hidden = or_(viewer_blocks(User.id), blocks_viewer(User.id))
    return (
        number.select_from(mine).scalar_subquery()
        + number.select_from(back)
        .where(~viewer_blocks(back.c.user_id))
        .scalar_subquery()
        - number.select_from(User)
        .where(~is_not_suspended(), is_hidden)
        .scalar_subquery()
    )


def _blocked_by_viewer() -> Select[int]:
    user_id = Block.blocked_id.label("user_id")
    return select(user_id).where(Block.blocker_id == viewer_id())


def _blocking_viewer() -> Select[int]:
    user_id = Block.blocker_id.label("user_id")
    return select(user_id).where(Block.blocked_id == viewer_id())


def viewer_blocks(user_id: Any) -> Exists:
    """Return whether the viewer (parameter `viewer_id`) blocks that user."""
    return _is_blocked(viewer_id(), user_id)


def blocks_viewer(user_id: Any) -> Exists:
    """Return whether that user blocks the viewer (parameter `viewer_id`)."""
    return _is_blocked(user_id, viewer_id())


def viewer_id() -> Any:
    """Return the parameter that has the viewer's number."""
    return bindparam("viewer_id", type_=BigInteger())


def asked_each_time(statement: Select[Any]) -> Exists:
    """Return whether a statement finds anything, asked anew for each row.

    With an offset, if only of nothing, PostgreSQL asks an index for each row. Without,
    it may read all that a viewer blocks, mutes or follows instead, for a page of few:
    0.6 ms for 2,684 who are followed, instead of 0.1.
    """
    return statement.offset(literal_column("0")).exists()


def _is_blocked(blocker_id: Any, blocked_id: Any) -> Exists:
    return asked_each_time(
        select(literal_column("1"))
        .select_from(Block)
        .where(Block.blocker_id == blocker_id)
        .where(Block.blocked_id == blocked_id)
        .correlate_except(Block)
    )
