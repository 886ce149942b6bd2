"""Many rows at once: COPY on PostgreSQL, executemany on SQLite, in one transaction.

The one place that knows the fast way of each database. Rows written here bypass the
models: they are complete, and their values are as the columns hold them.
"""

import itertools
import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Subquery,
    Table,
    any_,
    column,
    func,
    literal,
    select,
    text,
    true,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute

from careers_users.database.engine import AUTOCOMMITS, THROUGH_PGBOUNCER
from careers_users.database.query import Row
from careers_users.database.target import is_sqlite
from careers_users.extensions import Base

Report = Callable[[int], object]
_UTC = "+00:00"
# Rows between two reports of progress.
STEP = 1000
# Pages of SQLite kept in memory, in KiB: indexes grow at random places, and room for
# all of them saves writing them twice.
_SQLITE_CACHE_KIB = 512 * 1024
# Pages of SQLite's search index that are merged while others wait to write.
_MERGED_PAGES = 1000


def prepare(connection: Connection) -> None:
    """Let a transaction take as long as much writing takes."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = -{_SQLITE_CACHE_KIB}")
        return
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def reserve_ids(connection: Connection, model: type[Base], number: int) -> list[int]:
    """Return the next `number` ids of a table; no other connection gets them.

    SQLite needs the transaction to be one that writes, as all of ours are.
    """
    parameters: dict[str, Any] = {"table": model.__tablename__}
    if connection.dialect.name == "sqlite":
        statement = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
        last = connection.execute(statement, parameters).scalar() or 0
        return list(range(last + 1, last + 1 + number))
    statement = text(
        "SELECT nextval(pg_get_serial_sequence(:table, 'id'))"
        " FROM generate_series(1, :number)"
    )
    found = connection.execute(statement, parameters | {"number": number})
    return sorted(found.scalars())


def reserve_up_to(connection: Connection, model: type[Base], last: int) -> None:
    """Let the ids that a table gives by itself begin behind `last`, or where they are.

    SQLite needs the transaction to be one that writes.
    """
    parameters: dict[str, Any] = {"table": model.__tablename__, "last": last}
    if connection.dialect.name == "sqlite":
        changed = text(
            "UPDATE sqlite_sequence SET seq = max(seq, :last) WHERE name = :table"
        )
        if connection.execute(changed, parameters).rowcount == 0:
            added = text(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)"
            )
            connection.execute(added, parameters)
        return
    sequence = "pg_get_serial_sequence(:table, 'id')"
    used = f"coalesce(pg_sequence_last_value({sequence}::regclass), 0)"
    statement = text(f"SELECT setval({sequence}, greatest(:last, {used}))")
    connection.execute(statement, parameters)


def write(
    connection: Connection,
    model: type[Base],
    rows: Iterable[Row],
    report: Report = lambda _: None,
) -> None:
    """Insert rows, all with the same columns, as they come; the caller commits.

    `report` is called with each number of rows that have been written. Raises what
    SQLAlchemy raises for the same mistakes.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    columns = list(first)
    rows = _counted(itertools.chain([first], rows), report)
    values = ([row[column] for column in columns] for row in rows)
    raw: Any = connection.connection.driver_connection
    with _as_sqlalchemy():
        if connection.dialect.name == "sqlite":
            _write_sqlite(raw, model.__tablename__, columns, values)
        else:
            _write_postgresql(raw, model.__tablename__, columns, values)


def _write_sqlite(
    raw: sqlite3.Connection, table: str, columns: list[str], values: Iterator[Any]
) -> None:
    marks = ", ".join("?" * len(columns))
    raw.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
        ([_for_sqlite(value) for value in row] for row in values),
    )


def _for_sqlite(value: Any) -> Any:
    """Return a value as SQLAlchemy stores it: times in UTC, without saying so."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ", "microseconds").removesuffix(_UTC)
    return value


def _write_postgresql(
    raw: "psycopg.Connection[Any]",
    table: str,
    columns: list[str],
    values: Iterator[Any],
) -> None:
    names = SQL(", ").join(map(Identifier, columns))
    order = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table), names)
    with raw.cursor() as cursor, cursor.copy(order) as copy:
        for row in values:
            copy.write_row(row)


def as_table(
    connection: Connection, columns: Mapping[str, Any], rows: Sequence[Sequence[Any]]
) -> Subquery:
    """Return rows as a table to select from, with their `place` from 0 or 1 on.

    `columns` are names and types. All rows are one parameter, or one for each column,
    so the statement is the same however many there are.
    """
    if connection.dialect.name == "sqlite":
        stored = [[_for_sqlite(value) for value in row] for row in rows]
        each = func.json_each(json.dumps(stored)).table_valued("key", "value")
        values = (
            type_coerce(func.json_extract(each.c.value, f"$[{place}]"), type_)
            for place, type_ in enumerate(columns.values())
        )
        named = (value.label(name) for name, value in zip(columns, values, strict=True))
        return select(*named, each.c.key.label("place")).subquery("given")
    arrays = (
        literal([row[place] for row in rows], postgresql.ARRAY(type_))
        for place, type_ in enumerate(columns.values())
    )
    names = [column(name, type_) for name, type_ in columns.items()]
    given = func.unnest(*arrays).table_valued(*names, with_ordinality="place")
    return select(given.render_derived()).subquery("given")


def is_among(
    column: InstrumentedAttribute[int], numbers: Collection[int]
) -> ColumnElement[bool]:
    """Return whether a column has one of these numbers, which are one parameter.

    With a parameter for each, making the statement takes longer than running it.
    """
    if is_sqlite():
        each = func.json_each(json.dumps([*numbers])).table_valued("value")
        return column.in_(select(each.c.value))
    return column == any_(literal([*numbers], postgresql.ARRAY(BigInteger)))


def add_missing(
    connection: Connection,
    model: type[Base],
    columns: Mapping[str, Any],
    rows: Sequence[Sequence[Any]],
) -> list[tuple[Any, ...]]:
    """Insert rows in their order, but for those that a unique constraint refuses.

    Return those that were inserted.
    """
    given, table = as_table(connection, columns, rows), cast(Table, model.__table__)
    # SQLite would read ON CONFLICT without a WHERE as a join's ON.
    chosen = select(*(given.c[name] for name in columns)).where(true())
    chosen = chosen.order_by(given.c.place)
    is_sqlite = connection.dialect.name == "sqlite"
    insert: Any = sqlite.insert(table) if is_sqlite else postgresql.insert(table)
    statement = insert.from_select(list(columns), chosen).on_conflict_do_nothing()
    added = statement.returning(*(table.c[name] for name in columns))
    return [tuple(row) for row in connection.execute(added)]


def _counted(rows: Iterator[Row], report: Report) -> Iterator[Row]:
    while batch := list(itertools.islice(rows, STEP)):
        yield from batch
        report(len(batch))


@contextmanager
def _as_sqlalchemy() -> Iterator[None]:
    """Translate the drivers' errors, which SQLAlchemy does not see here."""
    try:
        yield
    except (psycopg.Error, sqlite3.Error) as error:
        base = psycopg.Error if isinstance(error, psycopg.Error) else sqlite3.Error
        raise DBAPIError.instance(
            None, None, error, base, hide_parameters=True
        ) from error


def finish(engine: Engine) -> None:
    """Let the database do at once what it would do in time; outside of transactions.

    Statistics for the planner; and one part instead of many in SQLite's search index.
    """
    autocommit = engine.execution_options(**{AUTOCOMMITS: True})
    with autocommit.connect() as connection:
        if connection.dialect.name == "sqlite":
            _merge_search(connection)
            connection.exec_driver_sql("ANALYZE")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.invalidate()  # It kept a large cache; the next one does not.
            return
        if connection.get_execution_options().get(THROUGH_PGBOUNCER):
            # One message is one transaction, in which there can be no VACUUM.
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0; ANALYZE")
            return
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM (ANALYZE)")
        connection.invalidate()  # It has lost its timeout.


def _merge_search(connection: Connection) -> None:
    """Merge SQLite's search index into one part, in steps: others write in between."""
    raw: Any = connection.connection.driver_connection
    pages = -_MERGED_PAGES  # Less than 0: begin with all parts, whatever their sizes.
    done = 2
    # One that changes fewer rows had nothing to merge (SQLite FTS5, section 6.8).
    while done >= 2:
        before = raw.total_changes
        connection.exec_driver_sql(
            "INSERT INTO users_search (users_search, rank) VALUES ('merge', ?)",
            (pages,),
        )
        done, pages = raw.total_changes - before, _MERGED_PAGES
