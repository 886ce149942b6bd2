"""Statements prepared on a connection to PostgreSQL and run by libpq itself.

What Psycopg's cursor does around each statement (finding its parameters, converting
the text, keeping count of what is prepared, waiting in steps) took more than half of
the processor time of reading a row: 75 microseconds instead of 45, and 38 more in its
connection's and SQLAlchemy's objects. The values still go through Psycopg's own
adapters, both ways, and errors are its own.
"""

import itertools
from collections.abc import Sequence
from typing import Any

from psycopg import Connection, OperationalError, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import (
    FeatureNotSupported,
    InvalidSqlStatementName,
    error_from_result,
)

# On each connection; a new one takes the place of the oldest. What a list is planned to
# takes a tenth of a megabyte of the server's memory.
PREPARED_MAX = 100
_KEY = "careers_users.prepared"
_GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
# A column has another type now, say; or somebody has had the server forget it.
_OUTDATED = (FeatureNotSupported, InvalidSqlStatementName)
_numbers = itertools.count(1)


def run(
    connection: Connection[Any], info: dict[Any, Any], sql: bytes, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, with `$1` and so on where the values belong.

    `info` lives as long as the connection, and keeps what is prepared on it. Raises
    Psycopg's errors, as a cursor would.
    """
    known: dict[bytes, _Statement] = info.setdefault(_KEY, {})
    try:
        return _prepared(connection, known, sql, values).run(values)
    except _OUTDATED:
        # The others may be as well, and a transaction would be ended by each.
        known.clear()
        if connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            raise
        return _prepared(connection, known, sql, values).run(values)


def run_once(
    connection: Connection[Any], sql: bytes, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """Return the same without preparing anything."""
    return _Statement(connection, sql, values).run(values)


def command(connection: Connection[Any], sql: bytes) -> None:
    """Run one or several commands that need no values, such as BEGIN."""
    _Statement(connection, sql, ()).command()


def _prepared(
    connection: Connection[Any],
    known: "dict[bytes, _Statement]",
    sql: bytes,
    values: Sequence[Any],
) -> "_Statement":
    statement = known.get(sql)
    if statement is None:
        if len(known) >= PREPARED_MAX:
            known.pop(next(iter(known))).forget()
        statement = _Statement(connection, sql, values)
        statement.prepare()
        known[sql] = statement
    return statement


class _Statement:
    """A statement on one connection, and how its values and rows are converted.

    What types its values have it knows by the first ones.
    """

    def __init__(
        self, connection: Connection[Any], sql: bytes, values: Sequence[Any]
    ) -> None:
        self._pgconn, self._sql = connection.pgconn, sql
        self._name = b""
        self._encoding = connection.info.encoding
        self._transformer = Transformer(connection)
        self._formats = [PyFormat.TEXT] * len(values)
        self._types = [self._type(value) for value in values]

    def _type(self, value: object) -> int:
        """Return the number of a value's type, 0 if its place in the text tells it.

        So it does for numbers and texts, each of which stand for several types, and for
        lists, whose type would be that of the first list's numbers.
        """
        if value is None or isinstance(value, (int, str, list, tuple)):
            return 0
        return self._transformer.get_dumper(value, PyFormat.TEXT).oid

    def prepare(self) -> None:
        """Have the server keep it, under a name that is used once."""
        name = b"read_%d" % next(_numbers)
        self._check(self._pgconn.prepare(name, self._sql, self._types))
        self._name = name

    def forget(self) -> None:
        """Have the server forget it."""
        self._check(self._pgconn.exec_(b"DEALLOCATE " + self._name))

    def run(self, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the rows that it finds with these values."""
        transformer = self._transformer
        # Any: by its stubs libpq would take no None, which it does.
        dumped: Any = transformer.dump_sequence(values, self._formats)
        try:
            if self._name:
                result = self._pgconn.exec_prepared(self._name, dumped)
            else:
                result = self._pgconn.exec_params(self._sql, dumped, self._types)
        except MemoryError:  # Psycopg's word for "no result at all".
            self._check_connection()
            raise
        self._check(result)
        transformer.set_pgresult(result)
        rows = transformer.load_rows(0, result.ntuples, tuple)
        transformer.set_pgresult(None)  # It would be kept until the next time.
        return rows

    def command(self) -> None:
        """Have the server do what the text says."""
        self._check(self._pgconn.exec_(self._sql))

    def _check(self, result: pq.abc.PGresult) -> None:
        if result.status not in _GOOD:
            self._check_connection()
            raise error_from_result(result, self._encoding)

    def _check_connection(self) -> None:
        if self._pgconn.status == pq.ConnStatus.BAD:
            raise OperationalError(self._pgconn.get_error_message(self._encoding))
