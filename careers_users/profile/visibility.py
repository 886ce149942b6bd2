"""Which users are hidden from whom: one condition, for every read of other users.

A suspended user is hidden from everybody. A block hides two users from each other in
lists; by name, the one who blocks from the one who is blocked, who gets the same answer
as for a name that nobody has. Anonymous readers and sister services have no blocks.

Most viewers have none either, and a flag in their row says so. Each read is therefore
two statements that are made once, without and with blocks, and `Caller.has_blocks`
chooses: a viewer without blocks is asked for nothing more.

What else is to hide users or their lists joins the conditions here.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Exists, bindparam, exists

from careers_users.auth import identity
from careers_users.models import Block, User

# Of the table, or of an alias.
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


def is_not_suspended(user: Users = User) -> ColumnElement[bool]:
    """Return the condition of all who are visible to anybody."""
    condition: ColumnElement[bool] = user.suspended_at.is_(None)
    return condition


def by_name(user: Users = User, *, has_blocks: bool) -> list[ColumnElement[bool]]:
    """Return the conditions of users whom a viewer may meet by their name or number."""
    conditions = [is_not_suspended(user)]
    return [*conditions, ~blocks_viewer(user.id)] if has_blocks else conditions


def in_lists(user: Users = User, *, has_blocks: bool) -> list[ColumnElement[bool]]:
    """Return the conditions of users whom a viewer may meet in lists."""
    conditions = by_name(user, has_blocks=has_blocks)
    return [*conditions, ~viewer_blocks(user.id)] if has_blocks else conditions


def viewer_blocks(user_id: Any) -> Exists:
    """Return whether the viewer (parameter `viewer_id`) blocks that user."""
    return _is_blocked(_viewer_id(), user_id)


def blocks_viewer(user_id: Any) -> Exists:
    """Return whether that user blocks the viewer (parameter `viewer_id`)."""
    return _is_blocked(user_id, _viewer_id())


def _is_blocked(blocker_id: Any, blocked_id: Any) -> Exists:
    return (
        exists()
        .where(Block.blocker_id == blocker_id)
        .where(Block.blocked_id == blocked_id)
    )


def _viewer_id() -> Any:
    return bindparam("viewer_id", type_=BigInteger())
