"""Runs the migrations, on connections of their own.

Not on the application's engine, which enforces foreign keys on SQLite: rebuilding a
table, as a migration there must, would cascade into the rows that refer to it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from alembic import context
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from careers_users.database import errors, postgresql, schema_version
from careers_users.database.engine import THROUGH_PGBOUNCER
from careers_users.database.sqlite_file import keep_triggers, make_private
from careers_users.extensions import db
from careers_users.profile import refold

# Any number, the same in all versions: who migrates holds PostgreSQL's lock of it.
ADVISORY_LOCK = 4_270_118_921
# How long to wait for another process that is migrating: it may have much to do.
WAIT_SECONDS = 600
# How long a statement waits for a table in use. All who use that table queue behind it
# meanwhile, so it gives up soon, lets them pass, and is tried again.
TABLE_LOCK_MILLISECONDS = 800
PAUSE_SECONDS = 1.0
# How long that goes on; a dump of a large database takes as long.
TRIES_SECONDS = 600
# A lock that was not to be had in time, and a deadlock.
PASSING = ("55P03", "40P01")
LIMITS = (
    f"SET LOCAL lock_timeout = {TABLE_LOCK_MILLISECONDS}; "
    "SET LOCAL statement_timeout = 0; "
    "SET LOCAL idle_in_transaction_session_timeout = 0"
)
# Between two lines about work that takes long.
PROGRESS_SECONDS = 5
# Made by hand in 0002, because SQLAlchemy has no words for them.
SEARCH_INDEXES = ("users_search", "ix_users_search_text_trgm")
# Read by the version before this one alone; see 0010.
OUTDATED_TABLES = ("totals", "search_grams", "search_changes")


def include_name(name: str | None, type_: str, _parents: Any) -> bool:
    """Leave search indexes and outdated tables out of the comparison with models."""
    if type_ not in ("table", "index") or name is None:
        return True
    return not name.startswith(SEARCH_INDEXES) and name not in OUTDATED_TABLES


OF_ONE_KIND = (
    "uq_users_email_key",
    "uq_users_username_key",
    "ix_users_username_key_id_suspended_at",
)


def include_object(_object: Any, name: str | None, *_: Any) -> bool:
    """Leave out of it what each kind of database has in its own way: 0009 and 0014."""
    return name not in OF_ONE_KIND


def skip_empty(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Make no file for `flask db migrate` when nothing has changed."""
    if context.config.cmd_opts is not None and getattr(
        context.config.cmd_opts, "autogenerate", False
    ):
        script = directives[0]
        if script.upgrade_ops.is_empty():
            directives[:] = []
            click.echo("The models have not changed.", err=True)


def report(step: Any, **_kwargs: Any) -> None:
    """Say which revision has been applied or taken back."""
    verb = "Migrated the database to" if step.is_upgrade else "Took back"
    click.echo(f"{verb} revision {step.up_revision_id}.", err=True)


def connected(engine: Engine) -> Connection:
    """Return a connection; if there is none, end the command with a sentence."""
    try:
        return engine.connect()
    except OperationalError as error:
        raise CommandError(errors.sentence(error)) from error


def check_references(connection: Connection) -> None:
    """Refuse to commit rows that refer to rows which are gone (SQLite)."""
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise CommandError(f"This would leave broken references: {broken[:10]}")


def configure(connection: Connection) -> None:
    """Prepare Alembic for a connection; each revision is a transaction of its own."""
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        include_name=include_name,
        include_object=include_object,
        process_revision_directives=skip_empty,
        on_version_apply=report,  # type: ignore[arg-type]
        transaction_per_migration=True,
        **current_app.extensions["migrate"].configure_args,
    )


# ------------------------------------------------------------------------------ SQLite


def run_on_sqlite(url: str) -> None:
    """Run the migrations in one transaction: all of them or none.

    Writers wait for the first write of a transaction anyway, and two processes that
    migrate would both begin with the revision that they have read outside of it.
    """
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"timeout": WAIT_SECONDS}
    )
    make_private(engine.url.database)
    keep_triggers(engine)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours to say.
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA journal_mode = WAL")

    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        configure(connection)
        with context.begin_transaction():
            context.run_migrations()
        check_references(connection)


def is_upgrade() -> bool:
    """Return whether this is `db upgrade`, and not a comparison with the models."""
    try:
        return context.get_revision_argument() is not None
    except KeyError:
        return False


def rewrite_texts() -> None:
    """Write what searches read anew where an older version wrote it, while it serves.

    After the commit, in transactions of its own. It can be interrupted, and is resumed
    by the next `db upgrade`.
    """
    done, said = 0, time.monotonic()

    def count(rows: int) -> None:
        nonlocal done, said
        done += rows
        if time.monotonic() - said >= PROGRESS_SECONDS:
            said = time.monotonic()
            click.echo(f"Rewrote the searched texts of {done:,} users.", err=True)

    refold.refold_all(count)
    if done:
        click.echo(f"Rewrote the searched texts of all {done:,} users.", err=True)


# -------------------------------------------------------------------------- PostgreSQL


def run_on_postgresql(url: str) -> None:
    """Run the migrations, each in a transaction, while others who migrate wait.

    A migration committed before an interruption stays; the next run goes on behind it.
    """
    # PgBouncer would leave prepared statements to the connection of another client.
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"prepare_threshold": None}
    )

    set_limits(engine)
    engine = engine.execution_options(isolation_level=postgresql.ISOLATION)
    with alone(engine), engine.connect() as connection:
        configure(connection)
        deadline = time.monotonic() + TRIES_SECONDS
        while True:
            applied = schema_version.current_of(connection)
            connection.rollback()
            try:
                with context.begin_transaction():
                    context.run_migrations()
                protect_version(connection)
                connection.commit()
                return
            except DBAPIError as error:
                connection.rollback()
                has_moved = schema_version.current_of(connection) != applied
                connection.rollback()
                if not may_pass(error, deadline) or (has_moved and is_relative()):
                    raise
            click.echo("A table is in use; it is tried again.", err=True)
            time.sleep(PAUSE_SECONDS)


def protect_version(connection: Connection) -> None:
    """Let the owner of the tables alone write which revision they are at.

    Default privileges, as deploy/postgresql.sql gives them, let the role that serves
    write into every table; `db downgrade` by that role would change the number alone.
    """
    others = connection.exec_driver_sql(
        "SELECT DISTINCT grantee::regrole::text"
        " FROM pg_class, aclexplode(relacl)"
        " WHERE oid = to_regclass('alembic_version') AND grantee NOT IN (relowner, 0)"
        " AND privilege_type <> 'SELECT' AND pg_has_role(relowner, 'USAGE')"
    ).scalars()
    for role in others.all():
        connection.exec_driver_sql(
            f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}"
        )


def set_limits(engine: Engine) -> None:
    """Have connections and transactions told how long statements and waits may take."""
    postgresql.tell(engine)
    is_pooled = db.engine.get_execution_options()[THROUGH_PGBOUNCER]

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        if not is_pooled:  # For index builds, which are in no transaction.
            connection.execute("SET statement_timeout = 0")
            connection.commit()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql(LIMITS)


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Hold the lock of those who migrate, on a connection that does nothing else.

    In a transaction, which PgBouncer leaves its connection. It has no snapshot, for
    which a concurrent index build in the other connection would wait. For the same
    reason those who wait ask again and again instead of having the server wait.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with connected(engine) as connection:
        lock = f"SELECT pg_try_advisory_xact_lock({ADVISORY_LOCK})"
        while not connection.exec_driver_sql(lock).scalar_one():
            connection.rollback()
            if time.monotonic() > deadline:
                raise CommandError("Another process has been migrating for too long.")
            time.sleep(PAUSE_SECONDS)
        yield


def may_pass(error: DBAPIError, deadline: float) -> bool:
    """Return whether it is worth trying again."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate in PASSING and time.monotonic() < deadline


def is_relative() -> bool:
    """Return whether so many steps were asked for, of which some are done now."""
    revision = context.get_revision_argument()  # None for "base".
    return revision is not None and not str(revision).isdigit()


def run() -> None:
    """Run the migrations on the application's database."""
    if context.is_offline_mode():
        raise CommandError("The migrations look at the database; --sql has none.")
    url = current_app.config["SQLALCHEMY_DATABASE_URI"]
    if url.startswith("sqlite"):
        run_on_sqlite(url)
    else:
        run_on_postgresql(url)
    if is_upgrade() and schema_version.current(db.engine) == (schema_version.head(),):
        rewrite_texts()


run()
