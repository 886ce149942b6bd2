"""Statements prepared on a connection to PostgreSQL and run by libpq itself.

Psycopg's cursor finds the parameters of each statement, converts its text, counts the
prepared ones and waits in steps. That took more than half of the processor time of
reading a row: 75 microseconds instead of 45, and 38 more in its connection's and
SQLAlchemy's objects. The values still go through Psycopg's own
adapters, both ways, and errors are its own.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, OperationalError, generators, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import (
    FeatureNotSupported,
    InvalidSqlStatementName,
    error_from_result,
)

# On each connection; a new one takes the place of the one that has waited longest. The
# plan of a list takes more than a tenth of a megabyte of the server's memory: a server
# process with 112 of them had 15 MB.
PREPARED_MAX = 64
_KEY = "careers_users.prepared"
_GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
# A column has another type now, say; or a command has had the server forget it.
_OUTDATED = (FeatureNotSupported, InvalidSqlStatementName)
_numbers = itertools.count(1)

Step = tuple[bytes, Sequence[Any]]  # A statement, and its values.


def run(
    connection: Connection[Any], info: dict[Any, Any], sql: bytes, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, with `$1` and so on where the values belong.

    `info` lives as long as the connection, and keeps what is prepared on it. Raises
    Psycopg's errors, as a cursor would.
    """
    known: dict[bytes, _Statement] = info.setdefault(_KEY, {})
    try:
        statement = known.pop(sql, None)
        if statement is None:
            statement = _prepared(connection, known, (sql, values))[0]
        else:
            known[sql] = statement  # Behind the others, as the last used.
        return statement.run(values)
    except _OUTDATED:
        # The others may be as well, and a transaction would be ended by each.
        known.clear()
        if connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            raise
        return _prepared(connection, known, (sql, values))[0].run(values)


def run_together(
    connection: Connection[Any], info: dict[Any, Any], steps: Sequence[Step]
) -> list[tuple[Any, ...]]:
    """Return the rows of the last of several statements, for one round trip.

    All are sent before anything is waited for (libpq's pipeline mode). After one that
    fails the server skips the others, a COMMIT too, and its error is raised.
    """
    known: dict[bytes, _Statement] = info.setdefault(_KEY, {})
    statements = _prepared(connection, known, *steps)
    with _pipeline(connection.pgconn):
        for statement, (_, values) in zip(statements, steps, strict=True):
            statement.send(values)
        connection.pgconn.pipeline_sync()
        connection.wait(generators.send(connection.pgconn))
        answers = [_answer(connection) for _ in (*steps, "and the end")]
    try:
        for statement, answer in zip(statements, answers, strict=False):
            rows = statement.rows(answer)
    except _OUTDATED:
        known.clear()
        raise
    return rows


def _answer(connection: Connection[Any]) -> pq.abc.PGresult:
    answers = connection.wait(generators.fetch_many(connection.pgconn))
    if not answers:
        raise OperationalError("the connection was lost")
    answer: pq.abc.PGresult = answers[0]
    return answer


@contextmanager
def _pipeline(pgconn: pq.abc.PGconn) -> Iterator[None]:
    pgconn.enter_pipeline_mode()
    try:
        yield
    except BaseException:
        pgconn.finish()  # Its next answers could belong to any request.
        raise
    pgconn.exit_pipeline_mode()


def run_once(
    connection: Connection[Any], sql: bytes, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """Return the same without preparing anything."""
    return _Statement(connection, sql, values).run(values)


def command(connection: Connection[Any], sql: bytes) -> None:
    """Run one or several commands that need no values, such as BEGIN."""
    _Statement(connection, sql, ()).command()


def _prepared(
    connection: Connection[Any], known: "dict[bytes, _Statement]", *steps: Step
) -> "list[_Statement]":
    new = [step for step in steps if step[0] not in known]
    if new:
        # Room for all of them: none must take the place of another.
        while len(known) > PREPARED_MAX - len(steps):
            known.pop(next(iter(known))).forget()
        for sql, values in steps:
            if sql not in known:
                statement = _Statement(connection, sql, values)
                statement.prepare()
                known[sql] = statement
    return [known[sql] for sql, _ in steps]


class _Statement:
    """A statement on one connection, and how its values and rows are converted.

    It takes the types of its values from the first ones.
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
        dumped = self._dumped(values)
        try:
            if self._name:
                result = self._pgconn.exec_prepared(self._name, dumped)
            else:
                result = self._pgconn.exec_params(self._sql, dumped, self._types)
        except MemoryError:  # Psycopg's word for "no result at all".
            self._check_connection()
            raise
        return self.rows(result)

    def send(self, values: Sequence[Any]) -> None:
        """Have it run with these values as a part of a pipeline."""
        self._pgconn.send_query_prepared(self._name, self._dumped(values))

    def _dumped(self, values: Sequence[Any]) -> Any:
        # Any: by its stubs libpq would take no None, which it does.
        return self._transformer.dump_sequence(values, self._formats)

    def rows(self, result: pq.abc.PGresult) -> list[tuple[Any, ...]]:
        """Return the rows of a result; raise what went wrong instead."""
        self._check(result)
        transformer = self._transformer
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
