"""Checks the follows of a file against the users that are here; writes nothing."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from careers_users import clock
from careers_users.cli import mistakes, user_files, user_queries
from careers_users.cli.mistakes import Mistakes
from careers_users.cli.record_files import Record, RecordsError
from careers_users.validation.usernames import identity

REQUIRED = ("follower", "following")
COLUMNS = {*REQUIRED, "created_at", *mistakes.COLUMNS}
MAP_COLUMNS = ("old_id", "new_id", "username")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Returns the number here of the user that a word of the file means, or None.
Find = Callable[[str], int | None]
Edge = tuple[int, int, datetime]


@dataclass
class FollowPlan:
    """The follows found in a file, in a temporary database, and the lines refused."""

    mistakes: Mistakes
    spool: sqlite3.Connection
    number: int = 0
    ignored: set[str] = field(default_factory=set)

    def edges(self) -> Iterator[Edge]:
        """Yield follower, following and time, the oldest first, as lists need them."""
        rows = self.spool.execute(
            "SELECT follower, following, moment FROM edges ORDER BY moment, line"
        )
        for follower, following, moment in rows:
            yield follower, following, _BEGINNING + moment * _MICROSECOND


def by_name() -> Find:
    """Return the search for users by their names."""
    ids = {row["username_key"]: row["id"] for row in user_queries.ids_by_name()}
    return lambda word: ids.get(identity(word) or "")


def by_id() -> Find:
    """Return the search for users by their numbers here."""
    ids = {str(row["id"]): row["id"] for row in user_queries.ids_by_name()}
    return ids.get


def by_map(records: Iterable[Record]) -> Find:
    """Return the search for users by their old ids, in the map of an import.

    Raises RecordsError if the map is not one of the users here.
    """
    there = {str(row["id"]): row["id"] for row in user_queries.ids_by_name()}
    ids: dict[str, int | None] = {}
    for record in records:
        if record.mistake:
            raise RecordsError(f"The map is wrong on line {record.line}")
        # A user deleted since then has no number here.
        ids[record.values["old_id"]] = there.get(record.values["new_id"])
    if ids and not any(ids.values()):
        raise RecordsError("None of the users in the map are here: it is another's")
    return ids.get


@contextmanager
def checked(
    records: Iterable[Record], refused: Mistakes, find: Find
) -> Iterator[FollowPlan]:
    """Read all records, look for the users at their ends, and yield what was found."""
    # A name that is empty means a file that SQLite deletes in the end.
    with closing(sqlite3.connect("")) as spool:
        spool.execute("CREATE TABLE edges (moment, line, follower, following)")
        plan = FollowPlan(refused, spool)
        spool.executemany(
            "INSERT INTO edges VALUES (?, ?, ?, ?)", _valid(plan, records, find)
        )
        yield plan


def _valid(
    plan: FollowPlan, records: Iterable[Record], find: Find
) -> Iterator[tuple[int, int, int, int]]:
    now = clock.utcnow()
    known: set[str] = set()
    for record in records:
        if record.values.keys() != known:
            known = set(record.values)
            plan.ignored |= known - COLUMNS
        try:
            follower, following, moment = _edge(record, find, now)
        except ValueError as error:
            plan.mistakes.add(record, str(error))
            continue
        plan.number += 1
        yield (moment - _BEGINNING) // _MICROSECOND, record.line, follower, following


def _edge(record: Record, find: Find, now: datetime) -> Edge:
    """Return the edge of a record; ValueError says what is wrong with it."""
    if record.mistake:
        raise ValueError(record.mistake)
    values = record.values
    follower, following = (_user(values, name, find) for name in REQUIRED)
    if follower == following:
        raise ValueError("following: is the follower")
    written = values.get("created_at")
    try:
        moment = user_files.moment(written) if written not in (None, "") else now
    except ValueError as error:
        raise ValueError(f"created_at: {error}") from None
    return follower, following, moment


def _user(values: Mapping[str, Any], name: str, find: Find) -> int:
    word = values.get(name)
    if type(word) is int:
        word = str(word)
    if not isinstance(word, str) or not word:
        raise ValueError(f"{name}: is missing")
    found = find(word)
    if found is None:
        raise ValueError(f"{name}: {word} is no user here")
    return found
