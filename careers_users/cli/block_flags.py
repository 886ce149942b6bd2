"""The flags of users with blocks, compared with the blocks there are, and repaired.

A flag that stays after the last block costs its user's reads some time. A flag that is
missing would show hidden users.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, bindparam, exists, or_, select, update

from careers_users.database import Query
from careers_users.extensions import db
from careers_users.models import Block, User

# Users locked in one transaction: their blocks and changes wait for its end.
REPAIR_ROWS = 100
_HAS_BLOCKS = or_(
    exists().where(Block.blocker_id == User.id),
    exists().where(Block.blocked_id == User.id),
)
_MISSING: list[ColumnElement[bool]] = [~User.has_blocks, _HAS_BLOCKS]
_STALE: list[ColumnElement[bool]] = [User.has_blocks.expression, ~_HAS_BLOCKS]


def _among(conditions: list[ColumnElement[bool]]) -> Query:
    return Query(
        select(User.id, User.username)
        .where(*conditions)
        .where(User.id > bindparam("after"))
        .order_by(User.id)
        .limit(REPAIR_ROWS)
    )


_FIND_MISSING, _FIND_STALE = _among(_MISSING), _among(_STALE)


def missing() -> list[str]:
    """Return the names of users who have blocks and no flag."""
    names, after = [], 0
    while rows := _FIND_MISSING.all(after=after):
        names += [row["username"] for row in rows]
        after = rows[-1]["id"]
    return names


def repair() -> int:
    """Set the flags that are missing, and take back the others; return how many."""
    return _repair(_FIND_MISSING, _MISSING, True) + _repair(_FIND_STALE, _STALE, False)


def _repair(
    find: Query, conditions: list[ColumnElement[bool]], has_blocks: bool
) -> int:
    changed, after = 0, 0
    while rows := find.all(after=after):
        after = rows[-1]["id"]
        changed += _write([row["id"] for row in rows], conditions, has_blocks)
    return changed


def _write(
    user_ids: Sequence[int], conditions: list[ColumnElement[bool]], has_blocks: bool
) -> int:
    """Write the flags of those users of whom the conditions still hold.

    A statement after the one that locks them looks at that: a block that is being made
    holds the lock until it can be seen.
    """
    users = select(User.id).where(User.id.in_(user_ids)).order_by(User.id)
    with db.session.begin():
        db.session.execute(users.with_for_update(key_share=True)).all()
        written = db.session.execute(
            update(User)
            .where(User.id.in_(user_ids), *conditions)
            .values(has_blocks=has_blocks)
            .returning(User.id)
            .execution_options(synchronize_session=False)
        )
        return len(written.all())
