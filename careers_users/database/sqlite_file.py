"""The file of a SQLite database, which is its owner's alone, and tables made anew."""

import os
import re
from contextlib import suppress
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Engine, event

# How Alembic's batch mode makes a table anew: a copy, which takes the table's place.
_DROPPED = re.compile(r'\s*DROP TABLE "?(\w+)"?\s*', re.IGNORECASE)
_RENAMED = re.compile(r'\s*ALTER TABLE "?_alembic_tmp_(\w+)"? RENAME TO', re.IGNORECASE)
_NUMBERED = "AUTOINCREMENT"


def make_private(path: str | None) -> None:
    """Make an empty SQLite database for its owner alone, unless it is there.

    SQLite would let everybody read it, and gives its other files the same mode. A file
    that is there is not opened: closing it would drop the locks that this process's
    other connections hold on it (sqlite.org/howtocorrupt.html, section 2.2).
    """
    if path and path != ":memory:":
        with suppress(OSError):  # It is there, or SQLite says better what is wrong.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def keep_triggers(engine: Engine) -> None:
    """Make the triggers of a table again that a migration makes anew on `engine`.

    SQLite drops a table's triggers with it, and batch mode knows nothing of them. Nor
    does it of AUTOINCREMENT, without which the number of a deleted user is given to
    another: a migration that loses it is refused with CommandError.
    """
    made_by: dict[str, list[str]] = {}

    @event.listens_for(engine, "before_cursor_execute")
    def remember(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if dropped := _DROPPED.fullmatch(statement):
            made_by[dropped[1]] = _statements(cursor, dropped[1])

    @event.listens_for(engine, "after_cursor_execute")
    def restore(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not (renamed := _RENAMED.match(statement)):
            return
        table, *triggers = made_by.pop(renamed[1])
        if _NUMBERED in table and _NUMBERED not in _statements(cursor, renamed[1])[0]:
            raise CommandError(
                f"The table {renamed[1]} would lose {_NUMBERED}: give "
                "batch_alter_table() table_kwargs={'sqlite_autoincrement': True}"
            )
        for trigger in triggers:
            cursor.execute(trigger)


def _statements(cursor: Any, table: str) -> list[str]:
    """Return the statements that made a table and its triggers, in this order."""
    rows = cursor.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN "
        "('table', 'trigger') ORDER BY type = 'trigger'",
        (table,),
    )
    return [sql for (sql,) in rows]
