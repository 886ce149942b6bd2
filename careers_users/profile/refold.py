"""Writes the searched texts of users anew, where an older version has written them.

After an upgrade, in batches that are transactions of their own, while the service goes
on. Every text of today's form has words.MARK in it, and no older one has: so it can be
interrupted at any time, and called again.
"""

from collections.abc import Callable
from functools import cache

from sqlalchemy import bindparam, func, select, update

from careers_users import database
from careers_users.database import Query
from careers_users.extensions import db
from careers_users.models import User
from careers_users.validation.words import MARK, searchable

BATCH_ROWS = 1000
# All other writers wait for a batch.
BATCH_ROWS_ON_SQLITE = 100

_REWRITE = (
    update(User)
    .where(User.id == bindparam("user_id"))
    # Not if it was written since it was read.
    .where(User.search_text == bindparam("old_text"))
    .values(
        first_name_key=bindparam("new_first_name_key"),
        last_name_key=bindparam("new_last_name_key"),
        search_text=bindparam("new_search_text"),
    )
)


def refold_batch(after_id: int = 0) -> list[int]:
    """Rewrite a batch of old texts behind that user; return its users' numbers."""
    rows = _old_rows(is_sqlite=database.is_sqlite()).all(after=after_id)
    changes = []
    for row in rows:
        new = {f"new_{column}": text for column, text in searchable(**row).items()}
        changes.append({"user_id": row["id"], "old_text": row["search_text"], **new})
    if changes:
        with db.engine.begin() as connection:
            connection.execute(_REWRITE, changes)
    return [row["id"] for row in rows]


@cache
def _old_rows(*, is_sqlite: bool) -> Query:
    position = func.instr if is_sqlite else func.strpos
    return Query(
        select(
            User.id,
            User.username,
            User.first_name,
            User.last_name,
            User.bio,
            User.search_text,
        )
        .where(User.id > bindparam("after"))
        .where(position(User.search_text, MARK) == 0)
        .order_by(User.id)
        .limit(BATCH_ROWS_ON_SQLITE if is_sqlite else BATCH_ROWS)
    )


def refold_all(report: Callable[[int], object]) -> None:
    """Rewrite all old texts; `report` is called with how many after each batch."""
    last = 0
    while ids := refold_batch(last):
        report(len(ids))
        last = ids[-1]
