"""The engine: how its connections are pooled, and what each of them is told."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any
from weakref import WeakSet

from flask import Flask
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import NullPool, Pool

from careers_users.database import postgresql
from careers_users.database.errors import is_read_only
from careers_users.database.sqlite_file import make_private
from careers_users.extensions import db
from careers_users.settings import Settings

# Execution options of engines: each statement commits by itself; and PgBouncer stands
# between, where nothing can be set on a connection, only in a transaction.
AUTOCOMMITS = "careers_users.autocommits"
THROUGH_PGBOUNCER = "careers_users.through_pgbouncer"
# A connection that has been idle this long is asked whether it still lives before it is
# used. Busy ones never are, so the question costs nothing under load, and a server
# restarted at night goes unnoticed.
IDLE_SECONDS = 1.0
_engines: WeakSet[Engine] = WeakSet()
_inherited: list[Pool] = []


def _forget_connections() -> None:
    """Begin with an empty pool in a forked process: the connections are the parent's.

    They stay open here. SQLite forbids to close one that has come through a fork.
    """
    for engine in [*_engines]:
        _inherited.append(engine.pool)
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)


def forget_connections_after_fork(engine: Engine) -> None:
    """Let a forked process (gunicorn --preload) make connections of its own."""
    _engines.add(engine)


def prepare(app: Flask, settings: Settings) -> Engine:
    """Return the engine that Flask-SQLAlchemy makes for `app`, with our events."""
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
        _leave_a_standby(engine)
    _begin_transactions(engine, settings)
    return engine


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
        # Psycopg prepares nothing: what pays is prepared by `libpq`, and Psycopg
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
    @event.listens_for(engine, "do_connect")
    def do_connect(*_: object) -> None:
        make_private(engine.url.database)

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # 4 MiB for each connection. With 16 nothing was faster, a million users or not.
        connection.execute("PRAGMA cache_size = -4096")


def _begin_transactions(engine: Engine, settings: Settings) -> None:
    """Let the transactions of sessions begin; connections of `reader()` have none."""
    text = opening(settings)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(AUTOCOMMITS):
            connection.exec_driver_sql(text)


def opening(settings: Settings) -> str:
    """Return the text that opens a transaction."""
    if settings.is_sqlite:
        # One that writes takes the write lock at once. Taking it half way fails at
        # once, without waiting, when another writer came in between.
        return "BEGIN IMMEDIATE"
    if settings.db_pgbouncer:
        # A setting of the connection would be lost with the next server connection, or
        # reach another client; a setting of the transaction ends with it. All of this
        # is one message, so it costs no time.
        limits = (f"SET LOCAL {limit}" for limit in _limits(settings))
        return "; ".join([f"BEGIN ISOLATION LEVEL {postgresql.ISOLATION}", *limits])
    return "BEGIN"


def _reset(connection: Any, _record: object, _state: object) -> None:
    """Roll back what is still open on a connection that goes back to its pool.

    Nothing is open but by mistake, so SQLAlchemy's own way of finding that out is too
    long: 3% of the processor time of a profile.
    """
    if isinstance(connection, sqlite3.Connection):
        is_open = connection.in_transaction
    else:
        is_open = bool(connection.pgconn.transaction_status)
    if is_open:
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
    """Have each connection to PostgreSQL told what we rely on, and its limits."""
    own = () if settings.db_pgbouncer else (*postgresql.SESSION, *_limits(settings))
    postgresql.tell(engine, *own)


def _leave_a_standby(engine: Engine) -> None:
    """Drop all connections to a server that can't be written to any more.

    A new one goes to the host of the URL that can, if the URL asks for that.
    """

    @event.listens_for(engine, "handle_error")
    def handle(context: ExceptionContext) -> None:
        if is_read_only(context.original_exception):
            context.is_disconnect = True


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
    postgresql.tell(engine)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{seconds}s'")

    return engine
