"""Statements on their way to the driver: compiled once, and run on its connection.

The usual way makes a connection, a context and a result object for each statement. For
a row found by its key that is most of the work: read like this, it takes 160 instead of
400 microseconds of processor time on PostgreSQL, and 23 instead of 160 on SQLite.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple, Protocol

from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    Executable,
    Insert,
    Select,
    UpdateBase,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from careers_users.database import libpq
from careers_users.database.kept import Kept

Row = Mapping[str, Any]
# Execution options of engines: connections that are kept for reads; and that PgBouncer
# stands between, where nothing can be set on a connection, only in a transaction.
KEPT = "careers_users.kept"
THROUGH_PGBOUNCER = "careers_users.through_pgbouncer"
# More than there are: a statement is to be made once, with its values as parameters.
CACHE_SIZE = 512
# How many rows statements ask for that say it in their text.
USUAL_SIZES = (10, 20, 50, 100)


class New(NamedTuple):
    """A row to be inserted: a statement that is made once, and its values."""

    statement: Insert
    values: Row


def room_for(size: int) -> int:
    """Return the least usual size that has room for so many rows, for a LIMIT as text.

    Of a statement whose LIMIT is a parameter PostgreSQL must think that it wants a
    tenth of all rows, so it plans it anew each time, for the value it has then. That
    takes longer than the reading: of a batch of ten users 200 of 280 microseconds.
    """
    return next(usual for usual in USUAL_SIZES if size <= usual)


def is_fixed(statement: Executable, dialect: Dialect) -> bool:
    """Tell whether a statement's text is the same whatever its values are.

    That of `IN` a list of any length is not, and must go the usual way.
    """
    return _compiled(statement, dialect).is_fixed


def read(
    engine: Engine, statement: Executable, parameters: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return all rows of a SELECT, on a connection that commits by itself.

    Otherwise as `Link`.
    """
    link = Link(engine)
    try:
        return link.execute(statement, parameters)
    finally:
        link.close()


@contextmanager
def transaction(engine: Engine, opening: str) -> Iterator["Link"]:
    """Give a link in a transaction, which is rolled back if anything fails in it."""
    link = Link(engine)
    try:
        link.begin(opening)
        try:
            yield link
            link.finish()
        except BaseException:
            link.roll_back()
            raise
    finally:
        link.close()


class Transaction(Protocol):
    """A transaction that is open."""

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a statement; none if it returns nothing."""

    def defer(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> None:
        """Run a statement whose rows nobody wants, by the end of the transaction.

        Before the next that is executed, but perhaps not at once: so it need not be
        waited for, nor what it locks be held meanwhile. Its failure comes then, too.
        """


class UsualTransaction:
    """One by SQLAlchemy's own way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a statement; none if it returns nothing."""
        found = self._connection.execute(statement, parameters)
        return [{**row} for row in found.mappings()] if found.returns_rows else []

    def defer(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> None:
        """Run a statement whose rows nobody wants."""
        self._connection.execute(statement, parameters)


class Link:
    """A connection for a while; close it in the end.

    One of the engine's, or of those that its execution option KEPT has. Failures are
    SQLAlchemy's, as if it had run the statement. `connection_invalidated` says that the
    connection was found dead; the pool makes a new one in its place.
    """

    def __init__(self, engine: Engine) -> None:
        options = engine.get_execution_options()
        self._dialect = engine.dialect
        self._errors = self._dialect.loaded_dbapi.Error
        self._is_prepared = not options.get(THROUGH_PGBOUNCER)
        # SQLite has no wire; and what opens a transaction through PgBouncer are several
        # commands, which no pipeline takes.
        is_embedded = self._dialect.name == "sqlite"
        self._waits_for_each = is_embedded or not self._is_prepared
        self._kept: Kept | None = options.get(KEPT)
        take = engine.raw_connection if self._kept is None else self._kept.take
        try:
            self._connection = take()
        except self._errors as error:
            raise _translated(error, "", self._dialect, is_lost=False) from error
        self._driver: Any = self._connection.driver_connection
        self._deferred: list[libpq.Step] = []

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a statement; none if it returns nothing."""
        compiled = _compiled(statement, self._dialect)
        bound = compiled.bound(parameters or {})
        try:
            if isinstance(self._driver, sqlite3.Connection):
                found = self._driver.execute(compiled.sql, bound).fetchall()
            elif self._deferred:
                found = self._catch_up((compiled.encoded_sql, bound))
            elif self._is_prepared:
                info = self._connection.info
                found = libpq.run(self._driver, info, compiled.encoded_sql, bound)
            else:
                found = libpq.run_once(self._driver, compiled.encoded_sql, bound)
        except self._errors as error:
            raise self._failure(error, compiled.sql) from error
        return compiled.rows(found)

    def defer(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> None:
        """Run a statement whose rows nobody wants, with what is executed next."""
        if self._waits_for_each:
            self.execute(statement, parameters)
        else:
            compiled = _compiled(statement, self._dialect)
            bound = compiled.bound(parameters or {})
            self._deferred.append((compiled.encoded_sql, bound))

    def begin(self, opening: str) -> None:
        """Begin a transaction, with what is executed first if it can be together."""
        if self._waits_for_each:
            self.command(opening)
        else:
            self._deferred.append((opening.encode(), ()))

    def finish(self) -> None:
        """Commit, with what is deferred."""
        if not self._deferred:
            self.command("COMMIT")
            return
        try:
            self._catch_up((b"COMMIT", ()))
        except self._errors as error:
            raise self._failure(error, "COMMIT, and what was deferred") from error

    def _catch_up(self, step: libpq.Step) -> list[tuple[Any, ...]]:
        steps, self._deferred = [*self._deferred, step], []
        return libpq.run_together(self._driver, self._connection.info, steps)

    def command(self, sql: str) -> None:
        """Run a command without values, such as BEGIN."""
        try:
            if isinstance(self._driver, sqlite3.Connection):
                self._driver.execute(sql)
            else:
                libpq.command(self._driver, sql.encode())
        except self._errors as error:
            raise self._failure(error, sql) from error

    def roll_back(self) -> None:
        """Undo what was done in the transaction, with the connection if need be."""
        self._deferred = []
        if self._connection.is_valid:
            try:
                self.command("ROLLBACK")
            except DBAPIError:
                self._connection.invalidate()

    def close(self) -> None:
        """Give the connection back."""
        if self._kept is None:
            self._connection.close()
        else:
            self._kept.give_back(self._connection)

    def _failure(self, error: Any, sql: str) -> BaseException:
        is_lost = self._dialect.is_disconnect(error, self._driver, None)
        if is_lost:
            self._connection.invalidate(error)
            if self._kept is not None:
                self._kept.drop()
        return _translated(error, sql, self._dialect, is_lost=is_lost)


def _translated(
    error: Exception, sql: str, dialect: Dialect, *, is_lost: bool
) -> BaseException:
    return DBAPIError.instance(
        sql,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )


class _Compiled:
    """A statement's text, and what its values need on their way in and out."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        assert isinstance(statement, (Select, UpdateBase))
        if dialect.name == "postgresql":
            # As the server wants it: `$1` where the driver's cursor has `%(name)s`.
            same: Any = type(dialect)
            dialect = same(paramstyle="numeric_dollar")
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self.sql = str(compiled)
        self.encoded_sql = self.sql.encode()
        self.is_fixed = not (
            compiled.post_compile_params or compiled.literal_execute_params
        )
        self._order = compiled.positiontup or ()
        binds = compiled.binds
        # Or the driver would store a time, say, as it likes.
        untyped = [name for name, bind in binds.items() if bind.type._isnull]
        assert not untyped, f"parameters without a type: {untyped}"
        self._required = [name for name, bind in binds.items() if bind.required]
        self._constants = {
            name: bind.effective_value
            for name, bind in binds.items()
            if not bind.required
        }
        encoders = {
            name: _of(bind.type, dialect).bind_processor(dialect)
            for name, bind in binds.items()
        }
        self._encoders = {name: encode for name, encode in encoders.items() if encode}
        types = {str(c.key): _of(c.type, dialect) for c in statement.exported_columns}
        decoders = {key: t.result_processor(dialect, None) for key, t in types.items()}
        self._keys = list(types)
        self._decoders = {key: decode for key, decode in decoders.items() if decode}

    def bound(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the parameters as the driver takes them; KeyError if one misses."""
        values = {**self._constants, **parameters}
        for name in self._required:
            values[name]
        for name, encode in self._encoders.items():
            values[name] = encode(values[name])
        return tuple([values[name] for name in self._order])

    def rows(self, found: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Return what the statement has found as mappings."""
        keys = self._keys
        rows: list[dict[str, Any]] = list(map(dict, map(zip, repeat(keys), found)))
        for key, decode in self._decoders.items():
            for row in rows:
                row[key] = decode(row[key])
        return rows


def _of(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return a type as this kind of database has it."""
    return type_.dialect_impl(dialect)


_compiled = lru_cache(maxsize=CACHE_SIZE)(_Compiled)
