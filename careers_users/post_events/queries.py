"""The statements of events, each set-based: one, however large the batch.

On PostgreSQL the values go as a few arrays instead of hundreds of parameters, so that
a statement's text is always the same and need not be parsed again: twice as fast.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Executable,
    RowMapping,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute

from careers_users import database
from careers_users.database import Query
from careers_users.extensions import db
from careers_users.models import ActivityEvent, ActivityMark, User, UserCounters
from careers_users.validation.usernames import is_username

_COUNTERS = (
    UserCounters.user_id,
    UserCounters.followers_count,
    UserCounters.following_count,
    UserCounters.posts_count,
    UserCounters.likes_received,
    UserCounters.comments_received,
)
_MARKS = (
    ActivityMark.user_id,
    ActivityMark.counter,
    ActivityMark.debt,
    ActivityMark.changed_at,
    ActivityMark.counted_at,
)
_EVENTS = (ActivityEvent.source, ActivityEvent.id, ActivityEvent.received_at)

Rows = Sequence[dict[str, Any]]
_Columns = tuple[InstrumentedAttribute[Any], ...]


def _has_arrays() -> bool:
    return not database.is_sqlite()


def _among(
    column: InstrumentedAttribute[Any], name: str, has_arrays: bool
) -> ColumnElement[bool]:
    """Return the condition that a column is one of the values of a parameter."""
    if has_arrays:
        return column == any_(bindparam(name, type_=ARRAY(column.type)))
    return column.in_(bindparam(name, expanding=True))


@cache
def _authors(has_arrays: bool) -> Query:
    is_named = _among(User.id, "ids", has_arrays)
    is_named |= _among(User.username_key, "keys", has_arrays)
    return Query(select(User.id, User.username_key).where(is_named))


def authors(named: Iterable[int | str]) -> dict[int | str, int]:
    """Return the number of each author who exists, in one statement.

    `named` are numbers and folded usernames. Those who don't exist are left out.
    """
    ids = {author for author in named if isinstance(author, int)}
    keys = {name for name in named if isinstance(name, str) and is_username(name)}
    if not ids and not keys:
        return {}
    rows = _authors(_has_arrays()).all(ids=sorted(ids), keys=sorted(keys))
    found: dict[int | str, int] = {}
    for row in rows:
        found[row["id"]] = found[row["username_key"]] = row["id"]
    return found


# ------------------------------------------------------------- inside of a transaction


def locked_counters(user_ids: list[int]) -> Sequence[RowMapping]:
    """Lock the counters of users in ascending id, and return them."""
    return _rows(_locked_counters(_has_arrays()), user_ids)


def marks(user_ids: list[int]) -> Sequence[RowMapping]:
    """Return the marks of users."""
    return _rows(_marks(_has_arrays()), user_ids)


def add_events(rows: Rows) -> set[tuple[str, str]]:
    """Write the names of events down; return those that were not there yet."""
    return {(source, id_) for source, id_ in _execute(_add_events(_has_arrays()), rows)}


def put_counters(rows: Rows) -> None:
    """Set all counters of users who are locked; rows in ascending user id."""
    _execute(_put(_COUNTERS, ("user_id",), _has_arrays()), rows)


def put_marks(rows: Rows) -> None:
    """Set marks of users who are locked."""
    _execute(_put(_MARKS, ("user_id", "counter"), _has_arrays()), rows)


@cache
def _locked_counters(has_arrays: bool) -> Executable:
    return (
        select(*_COUNTERS)
        .where(_among(UserCounters.user_id, "ids", has_arrays))
        .order_by(UserCounters.user_id)
        .with_for_update(key_share=True)
    )


@cache
def _marks(has_arrays: bool) -> Executable:
    return select(*_MARKS).where(_among(ActivityMark.user_id, "ids", has_arrays))


@cache
def _add_events(has_arrays: bool) -> Executable:
    statement: Executable = (
        _insert(_EVENTS, has_arrays)
        .on_conflict_do_nothing()
        .returning(ActivityEvent.source, ActivityEvent.id)
    )
    return statement


@cache
def _put(columns: _Columns, key: tuple[str, ...], has_arrays: bool) -> Executable:
    """Return an INSERT that changes the rows whose key is there already."""
    insert = _insert(columns, has_arrays)
    names = (column.key for column in columns if column.key not in key)
    statement: Executable = insert.on_conflict_do_update(
        index_elements=key, set_={name: insert.excluded[name] for name in names}
    )
    return statement


def _insert(columns: _Columns, has_arrays: bool) -> Any:
    """Return an INSERT of rows that can say what to do about those that are there."""
    model = columns[0].class_
    if not has_arrays:
        return sqlite.insert(model)
    names = [column.key for column in columns]
    arrays = (bindparam(each.key, type_=ARRAY(each.type)) for each in columns)
    values = func.unnest(*arrays).table_valued(*names).render_derived(name="new")
    rows = select(*(values.c[name] for name in names))
    return postgresql.insert(model).from_select(names, rows)


def _rows(statement: Executable, user_ids: list[int]) -> Sequence[RowMapping]:
    found = db.session.connection().execute(statement, {"ids": user_ids})
    return found.mappings().all()


def _execute(statement: Executable, rows: Rows) -> Any:
    connection = db.session.connection()
    if not _has_arrays():
        # The driver repeats a statement for each row, without a way to a server.
        return connection.execute(statement, list(rows))
    arrays = {name: [row[name] for row in rows] for name in rows[0]}
    return connection.execute(statement, arrays)
