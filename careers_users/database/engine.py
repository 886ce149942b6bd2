"""The engine: what each connection is told, how reads are made, what errors mean."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from flask import Flask, current_app
from sqlalchemy import URL, Engine, Executable, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.pool import NullPool

from careers_users.database import statements
from careers_users.database.kept import IDLE_SECONDS, Kept, is_open
from careers_users.database.statements import (
    KEPT,
    THROUGH_PGBOUNCER,
    Transaction,
    UsualTransaction,
    is_fixed,
    read,
)
from careers_users.extensions import db
from careers_users.settings import Settings

_READER = "careers_users.reader"
_OPENING = "careers_users.opening"
# Where reads go instead of the database, if anywhere.
_elsewhere: ContextVar[Engine | None] = ContextVar("elsewhere", default=None)


def init_app(app: Flask, settings: Settings, *, keeps: bool) -> None:
    """Bind the database of `settings` to `app`; nothing is connected yet.

    Where reads are to keep connections for each other, no more threads than the
    settings say may use it.
    """
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings)
    db.init_app(app)
    with app.app_context():
        engine = db.engine
    if settings.is_sqlite:
        _prepare_sqlite(engine)
    else:
        settle(engine, settings)
        _ask_the_idle(engine)
    _prepare_transactions(engine, settings)
    app.extensions[_READER] = engine.execution_options(
        isolation_level="AUTOCOMMIT",
        **{
            KEPT: _kept(engine, settings) if keeps else None,
            _OPENING: _opening(settings),
        },
    )


def _kept(engine: Engine, settings: Settings) -> Kept | None:
    """Return what reads keep their connections in, if the pool has enough of them."""
    # Each thread may need one for a transaction, and so may the one for health.
    spare = settings.db_pool_size - settings.threads - 1
    return Kept(engine, min(spare, settings.threads)) if spare > 0 else None


def engine_options(settings: Settings) -> dict[str, Any]:
    """Return what an engine is made with, whose connections are pooled."""
    options: dict[str, Any] = {
        # Reads need no transaction: without BEGIN and ROLLBACK around it, each is one
        # round trip instead of three. Transactions begin in `_begin`.
        "isolation_level": "AUTOCOMMIT",
        "hide_parameters": True,  # Logged errors must not show hashes or e-mails.
        "pool_size": settings.db_pool_size,
        "max_overflow": 0,
        "pool_timeout": settings.db_pool_timeout,
        "pool_use_lifo": True,
        "pool_reset_on_return": None,
        "pool_events": [(_reset, "reset")],
    }
    if settings.is_sqlite:
        options["connect_args"] = {"timeout": settings.db_lock_timeout}
    else:
        options["connect_args"] = patience(settings.db_connect_timeout)
        # Psycopg prepares nothing: what pays is prepared by `statements`, and Psycopg
        # would have the server forget that too after each ROLLBACK. In transaction mode
        # PgBouncer hands each transaction another server connection, which does not
        # know the statements prepared on the last.
        options["connect_args"]["prepare_threshold"] = None
        options["execution_options"] = {THROUGH_PGBOUNCER: settings.db_pgbouncer}
    return options


def patience(seconds: int) -> dict[str, Any]:
    """Return what libpq needs to give up a server that has vanished after `seconds`.

    For each host of a URL, and for an answer under way too: a machine that lost its
    power or its network says nothing, and without these it is waited for for hours.
    A server that is only slow answers the probes, and is waited for.
    """
    return {
        "connect_timeout": seconds,
        "keepalives_idle": seconds,
        "keepalives_interval": 1,
        "keepalives_count": 1,
        "tcp_user_timeout": seconds * 1000,  # In milliseconds, unlike the others.
    }


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # 4 MiB for each connection. With 16 nothing was faster, a million users or not.
        connection.execute("PRAGMA cache_size = -4096")


def _prepare_transactions(engine: Engine, settings: Settings) -> None:
    """Let the transactions of sessions begin; connections of `reader()` have none."""
    opening = _opening(settings)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql(opening)


def _opening(settings: Settings) -> str:
    if settings.is_sqlite:
        # One that writes takes the write lock at once. Taking it half way fails at
        # once, without waiting, when another writer came in between.
        return "BEGIN IMMEDIATE"
    if settings.db_pgbouncer:
        # What is set on a connection would be lost with the next server connection,
        # or come to somebody else's; what is set in a transaction stays in it. It is
        # one message, so it costs no time.
        limits = (f"SET LOCAL {limit}" for limit in _limits(settings))
        return "; ".join(["BEGIN", *limits])
    return "BEGIN"


def _reset(connection: Any, _record: object, _state: object) -> None:
    """Roll back what is still open on a connection that goes back to its pool.

    Nothing is, unless somebody has forgotten it, so SQLAlchemy's own way of finding
    that out is too long: 3% of the processor time of a profile.
    """
    if is_open(connection):
        connection.rollback()


def _limits(settings: Settings) -> tuple[str, ...]:
    return (
        # Compiling a plan takes longer than any of these statements runs.
        "jit = off",
        f"lock_timeout = '{settings.db_lock_timeout}s'",
        f"statement_timeout = '{settings.db_statement_timeout}s'",
        f"idle_in_transaction_session_timeout = '{settings.db_statement_timeout}s'",
    )


def settle(engine: Engine, settings: Settings) -> None:
    """Have each connection to PostgreSQL told how long things may take."""
    settled = "; ".join(f"SET {limit}" for limit in _limits(settings))

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        if not settings.db_pgbouncer:
            connection.execute(settled)


def _ask_the_idle(engine: Engine) -> None:
    @event.listens_for(engine, "checkin")
    def checkin(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def checkout(connection: Any, record: Any, _proxy: object) -> None:
        since = record.info.get("idle_since")
        if since is None or time.monotonic() - since < IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except Exception as error:
            # The pool throws its connections away and hands out a new one.
            raise InvalidatePoolError("The connection was lost while idle.") from error


def probing_engine(settings: Settings, seconds: int, url: URL | None = None) -> Engine:
    """Return an engine that keeps no connections, and gives up after about `seconds`.

    For asking how the database, or another at `url`, does, whatever becomes of the
    connections at work. It makes no SQLite file where there is none.
    """
    if settings.is_sqlite:
        uri = f"{Path(settings.url.database or '').absolute().as_uri()}?mode=rw"
        return create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(uri, uri=True, timeout=seconds),
            poolclass=NullPool,
        )
    # Too few statements to prepare any, which PgBouncer could not bear either.
    arguments = {**patience(seconds), "prepare_threshold": None}
    url = url or settings.url
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{seconds}s'")

    return engine


def fetch_all(
    statement: Executable, parameters: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return all rows of a read as mappings.

    The statement is compiled once and remembered, so make it once: with `bindparam` for
    what differs from request to request.

    A connection found dead is replaced and the read made once more: it changes nothing,
    so it can be repeated, and the viewer need not hear of it.
    """
    engine = reader()
    # Who listens to statements (tracing, tests) sees them all: then not the quick way.
    is_watched = bool(engine.dispatch.before_cursor_execute)
    is_quick = not is_watched and is_fixed(statement, engine.dialect)
    quick = [read] if is_quick else []
    # If two connections are dead SQLAlchemy gives up all, so that the third is new.
    for attempt in (*quick, _read):
        try:
            return attempt(engine, statement, parameters)
        except DBAPIError as error:
            if not error.connection_invalidated or _elsewhere.get() is not None:
                raise
    return _read(engine, statement, parameters)


def fetch_one(
    statement: Executable, parameters: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """Return the first row of a read, or None; otherwise as `fetch_all`."""
    rows = fetch_all(statement, parameters)
    return rows[0] if rows else None


@contextmanager
def transaction() -> Iterator[Transaction]:
    """Give a transaction, committed in the end and rolled back if anything fails.

    For few, short statements that are made often, each made once as for `fetch_all`:
    what the ORM's sessions do around them is most of their time.
    """
    engine: Engine = current_app.extensions[_READER]
    if engine.dispatch.before_cursor_execute:
        with db.engine.begin() as connection:
            yield UsualTransaction(connection)
    else:
        opening = engine.get_execution_options()[_OPENING]
        with statements.transaction(engine, opening) as link:
            yield link


def reader() -> Engine:
    """Return the engine of the current application as reads use it: autocommitting."""
    elsewhere = _elsewhere.get()
    if elsewhere is not None:
        return elsewhere
    engine: Engine = current_app.extensions[_READER]
    return engine


@contextmanager
def reading_from(engine: Engine) -> Iterator[None]:
    """Let the reads of this block go elsewhere, and fail if that is away.

    Writes never do.
    """
    token = _elsewhere.set(engine)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def reader_of(app: Flask) -> Engine:
    """Return the same of an application that is not the current one."""
    engine: Engine = app.extensions[_READER]
    return engine


def is_sqlite() -> bool:
    """Tell whether the current application's database is SQLite, else PostgreSQL."""
    return reader().dialect.name == "sqlite"


def _read(
    engine: Engine, statement: Executable, parameters: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return all rows by SQLAlchemy's own way; otherwise as `statements.read`."""
    with engine.connect() as connection:
        found = connection.execute(statement, parameters).mappings()
        return [{**row} for row in found]
