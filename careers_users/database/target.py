"""Where statements go: the application's database, or for some reads its replica."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from flask import Flask
from sqlalchemy import Engine, PoolProxiedConnection, event
from sqlalchemy.exc import DBAPIError

from careers_users.database import libpq
from careers_users.database.compiled import Compiled
from careers_users.database.engine import (
    AUTOCOMMITS,
    forget_connections_after_fork,
    opening,
    prepare,
)
from careers_users.database.errors import is_read_only
from careers_users.extensions import Slot
from careers_users.settings import Settings

log = logging.getLogger(__name__)

# Called with the text of each statement, and the seconds it took.
Observer = Callable[[str, float], object]
_replica: ContextVar["Target | None"] = ContextVar("replica", default=None)


class Target:
    """A database that statements go to, and how it takes them.

    Failures are SQLAlchemy's, as if it had run the statement. `connection_invalidated`
    says that the connection was found dead; the pool makes a new one in its place.
    """

    def __init__(
        self, engine: Engine, settings: Settings, observers: list[Observer]
    ) -> None:
        self.engine = engine.execution_options(**{AUTOCOMMITS: True})
        self._events = engine.dispatch
        self.dialect = engine.dialect
        self.is_sqlite = settings.is_sqlite
        self.opening = opening(settings)
        self.observers = observers
        self._error = engine.dialect.loaded_dbapi.Error
        # The next server connection of PgBouncer would not know what is prepared.
        self._prepares = not settings.db_pgbouncer
        # SQLite has no wire. Through PgBouncer a transaction is opened by several
        # commands in one message, which no pipeline takes.
        self.pipelines = self._prepares and not self.is_sqlite
        _observe_sqlalchemy(engine, observers)
        forget_connections_after_fork(engine)

    def is_listened_to(self) -> bool:
        """Return whether SQLAlchemy's events of statements have listeners."""
        events = self._events
        return bool(
            events.before_cursor_execute
            or events.after_cursor_execute
            or events.before_execute
            or events.after_execute
        )

    def take(self) -> PoolProxiedConnection:
        """Return a connection of the pool; close() returns it there."""
        try:
            return self.engine.raw_connection()
        except self._error as error:
            raise self._translated(error, "", is_lost=False) from error

    def run(
        self, connection: PoolProxiedConnection, form: Compiled, values: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; none if it returns nothing."""

        def send(driver: Any) -> Any:
            if self.is_sqlite:
                return driver.execute(form.sql, values).fetchall()
            if self._prepares:
                return libpq.run(driver, connection.info, form.encoded_sql, values)
            return libpq.run_once(driver, form.encoded_sql, values)

        rows: list[tuple[Any, ...]] = self._send(connection, send, form.encoded_sql)
        return rows

    def run_together(
        self, connection: PoolProxiedConnection, steps: Sequence[libpq.Step]
    ) -> list[tuple[Any, ...]]:
        """Return the rows of the last of several statements, for one round trip."""
        rows: list[tuple[Any, ...]] = self._send(
            connection,
            lambda driver: libpq.run_together(driver, connection.info, steps),
            *(sql for sql, _ in steps),
        )
        return rows

    def command(self, connection: PoolProxiedConnection, sql: str) -> None:
        """Run a command without values, such as BEGIN."""
        text = sql.encode()

        def send(driver: Any) -> None:
            if self.is_sqlite:
                driver.execute(sql)
            else:
                libpq.command(driver, text)

        self._send(connection, send, text)

    def _send(
        self,
        connection: PoolProxiedConnection,
        send: Callable[[Any], Any],
        *sql: bytes,
    ) -> Any:
        """Return what `send` returns; translate its errors, and tell the observers.

        To them the last of several statements took all the time.
        """
        driver: Any = connection.driver_connection
        began = time.perf_counter()
        try:
            return send(driver)
        except self._error as error:
            is_lost = self.dialect.is_disconnect(error, driver, None)
            if is_read_only(error):
                self.engine.dispose()  # All others lead to the same server.
                is_lost = True
            if is_lost:
                connection.invalidate(error)
            text = b"; ".join(sql)
            raise self._translated(error, text.decode(), is_lost=is_lost) from error
        finally:
            if self.observers:
                seconds = time.perf_counter() - began
                for number, text in enumerate(sql, 1):
                    took = seconds if number == len(sql) else 0.0
                    _tell(self.observers, text.decode(), took)

    def _translated(
        self, error: Exception, sql: str, *, is_lost: bool
    ) -> BaseException:
        return DBAPIError.instance(
            sql,
            None,
            error,
            self._error,
            hide_parameters=True,
            connection_invalidated=is_lost,
            dialect=self.dialect,
        )


_SLOT = Slot[Target]("database")
primary = _SLOT.get  # Return the database of an application itself, not its replica.


def _tell(observers: list[Observer], text: str, seconds: float) -> None:
    """Tell a statement that has run to everybody who observes statements."""
    for observer in observers:
        observer(text, seconds)


def _observe_sqlalchemy(engine: Engine, observers: list[Observer]) -> None:
    """Tell the statements that SQLAlchemy runs, too.

    The events that stand for the driver's own functions: they leave it to listeners of
    the others (see `is_listened_to`) to switch the quick path off.
    """

    def run(method: str) -> Callable[..., bool]:
        def listener(cursor: Any, statement: str, values: Any, _context: Any) -> bool:
            if not observers:
                return False  # SQLAlchemy runs it.
            began = time.perf_counter()
            try:
                getattr(cursor, method)(statement, values)
            finally:
                _tell(observers, statement, time.perf_counter() - began)
            return True

        return listener

    event.listen(engine, "do_execute", run("execute"))
    event.listen(engine, "do_executemany", run("executemany"))


def init_app(app: Flask, settings: Settings) -> None:
    """Bind the database of `settings` to `app`; nothing is connected yet."""
    engine = prepare(app, settings)
    observers: list[Observer] = [_echo] if settings.log_level == "DEBUG" else []
    _SLOT.set(app, Target(engine, settings, observers))


def _echo(text: str, seconds: float) -> None:
    log.debug("%.1f ms: %s", seconds * 1000, text)


def current() -> Target:
    """Return where reads go now."""
    return _replica.get() or primary()


@contextmanager
def reading_from(target: Target) -> Iterator[None]:
    """Let the reads of this block go to a replica, and fail if that is away.

    Writes never do.
    """
    token = _replica.set(target)
    try:
        yield
    finally:
        _replica.reset(token)


def observers(app: Flask) -> list[Observer]:
    """Return the functions told of each statement of `app`; add to them, or remove."""
    return primary(app).observers


def reader(app: Flask | None = None) -> Engine:
    """Return the engine as reads use it, of the current application or another.

    Each statement commits by itself.
    """
    return (current() if app is None else primary(app)).engine


def is_sqlite() -> bool:
    """Return whether the current application's database is SQLite, else PostgreSQL."""
    return primary().is_sqlite
