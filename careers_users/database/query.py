"""Statements that are made once, and the two ways to run one.

SQLAlchemy's usual way makes a connection, a context and a result object for each
statement. For a row found by its key that is most of the work: by a `Query` it takes
160 instead of 400 microseconds of processor time on PostgreSQL, and 23 instead of 160
on SQLite.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, Executable, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError

from careers_users.database import libpq, time_limit
from careers_users.database.compiled import Compiled, Statement
from careers_users.database.target import Target, current, primary
from careers_users.extensions import db

Row = Mapping[str, Any]
# How many rows statements ask for that say it in their text.
USUAL_SIZES = (10, 20, 50, 100)


def room_for(size: int) -> int:
    """Return the least usual size that has room for so many rows, for a LIMIT as text.

    For a statement whose LIMIT is a parameter PostgreSQL assumes a tenth of all rows,
    so it plans it anew each time, for the value it has then. That takes longer than
    the reading: for a batch of ten users 200 of 280 microseconds.
    """
    return next(usual for usual in USUAL_SIZES if size <= usual)


class Query:
    """A statement that is made once, with `bindparam` for its values; owns its forms.

    Make it when the module is imported, or in a function with `functools.cache`.
    """

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self._forms: dict[str, Compiled] = {}

    def one(self, /, **parameters: Any) -> dict[str, Any] | None:
        """Return the first row of a read, or None."""
        rows = self.all(**parameters)
        return rows[0] if rows else None

    def all(self, /, **parameters: Any) -> list[dict[str, Any]]:
        """Return all rows of a read as mappings.

        A connection found dead is replaced and the read repeated.
        """
        target = current()
        form = self.form(target)
        if not form.is_fixed or target.is_listened_to():
            return fetch(self.statement, parameters)
        values = form.bind(parameters)
        try:
            connection = target.take()
            try:
                with time_limit.enforced(
                    connection.driver_connection, partial(target.command, connection)
                ):
                    return form.rows(target.run(connection, form, values))
            finally:
                connection.close()
        except DBAPIError as error:
            if not _is_repeatable(error, target):
                raise
        return fetch(self.statement, parameters)

    def form(self, target: Target) -> Compiled:
        """Return the compiled form for a database, made the first time it is asked."""
        name = target.dialect.name
        form = self._forms.get(name)
        if form is None:
            form = self._forms[name] = Compiled(self.statement, target.dialect)
        return form


def fetch(
    statement: Executable, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return all rows of a read that is made in a function, by SQLAlchemy's usual way.

    A connection found dead is replaced and the read repeated: it changes nothing.
    """
    target = current()
    try:
        return _fetch(target, statement, parameters)
    except DBAPIError as error:
        if not _is_repeatable(error, target):
            raise
    # SQLAlchemy has replaced all connections of the pool.
    return _fetch(target, statement, parameters)


def _fetch(
    target: Target, statement: Executable, parameters: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    with target.engine.connect() as connection:
        driver = connection.connection.driver_connection
        with time_limit.enforced(driver, connection.exec_driver_sql):
            found = connection.execute(statement, parameters)
            # Some are a kind of text of SQLAlchemy's, which orjson does not take.
            keys = [str(key) for key in found.keys()]  # noqa: SIM118
            return [dict(zip(keys, row, strict=True)) for row in found]


def _is_repeatable(error: DBAPIError, target: Target) -> bool:
    """Return whether a read failed for its connection; a replica's are not repeated."""
    return error.connection_invalidated and target is primary()


class Transaction:
    """An open transaction of a connection, for statements that are made once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, query: Query, /, **parameters: Any) -> list[dict[str, Any]]:
        """Return the rows of a statement; none if it returns nothing."""
        found = self._connection.execute(query.statement, parameters)
        return [{**row} for row in found.mappings()] if found.returns_rows else []

    def defer(self, query: Query, /, **parameters: Any) -> None:
        """Run a statement whose rows are not wanted, by the end of the transaction.

        Before the next that is executed, but perhaps not at once: so it need not be
        waited for, nor what it locks be held meanwhile. Its failure comes then, too.
        """
        self.execute(query, **parameters)


@contextmanager
def transaction() -> Iterator[Transaction]:
    """Give a transaction, committed in the end and rolled back if anything fails.

    For few, short statements that are made often: what the ORM's sessions do around
    them is most of their time.
    """
    target = primary()
    if target.is_listened_to():
        with db.engine.begin() as connection:
            yield Transaction(connection)
        return
    pooled = target.take()
    try:
        quick = _QuickTransaction(target, pooled)
        try:
            yield quick
            quick.finish()
        except BaseException:
            quick.roll_back()
            raise
    finally:
        pooled.close()


class _QuickTransaction(Transaction):
    """A transaction on the driver's own connection."""

    def __init__(self, target: Target, connection: PoolProxiedConnection) -> None:
        self._target, self._pooled = target, connection
        self._deferred: list[libpq.Step] = []
        if target.pipelines:  # It begins with what is executed first.
            self._deferred.append((target.opening.encode(), ()))
        else:
            target.command(connection, target.opening)

    def execute(self, query: Query, /, **parameters: Any) -> list[dict[str, Any]]:
        form, values = self._bound(query, parameters)
        if self._deferred:
            found = self._catch_up((form.encoded_sql, values))
        else:
            found = self._target.run(self._pooled, form, values)
        return form.rows(found)

    def defer(self, query: Query, /, **parameters: Any) -> None:
        if self._target.pipelines:
            form, values = self._bound(query, parameters)
            self._deferred.append((form.encoded_sql, values))
        else:
            self.execute(query, **parameters)

    def finish(self) -> None:
        """Commit, with what is deferred."""
        if self._deferred:
            self._catch_up((b"COMMIT", ()))
        else:
            self._target.command(self._pooled, "COMMIT")

    def roll_back(self) -> None:
        """Undo what was done in the transaction, with the connection if need be."""
        if self._pooled.is_valid:
            try:
                self._target.command(self._pooled, "ROLLBACK")
            except DBAPIError:
                self._pooled.invalidate()

    def _bound(
        self, query: Query, parameters: Mapping[str, Any]
    ) -> tuple[Compiled, tuple[Any, ...]]:
        form = query.form(self._target)
        assert form.is_fixed, "a list of any length has no fixed text"
        return form, form.bind(parameters)

    def _catch_up(self, step: libpq.Step) -> list[tuple[Any, ...]]:
        steps, self._deferred = [*self._deferred, step], []
        return self._target.run_together(self._pooled, steps)
