"""Runs the migrations, on a connection of its own.

Not on the application's engine, which enforces foreign keys on SQLite: rebuilding a
table, as a migration there must, would cascade into the rows that refer to it.
"""

import time
from typing import Any

import click
from alembic import context
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from careers_users.database import errors, postgresql
from careers_users.database.schema_version import head
from careers_users.extensions import db
from careers_users.profile import refold

# Any number, the same in all versions: who migrates holds PostgreSQL's lock of it.
ADVISORY_LOCK = 4_270_118_921
# How long to wait for another process that is migrating: it may have much to do.
SQLITE: dict[str, Any] = {"timeout": 600}
# PgBouncer would leave what is prepared to a connection of somebody else's.
POSTGRESQL: dict[str, Any] = {"prepare_threshold": None}
# How long a migration waits for a table in use. Everybody else queues behind it, so it
# had better give up and be run again.
TABLE_LOCK_SECONDS = 10
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


def begin(connection: Connection) -> None:
    """Begin the transaction, alone: others wait here until this one has committed."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TABLE_LOCK_SECONDS}s'")


def check_references(connection: Connection) -> None:
    """Refuse to commit rows that refer to rows which are gone (SQLite)."""
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise CommandError(f"This would leave broken references: {broken[:10]}")


def run() -> None:
    """Run the migrations in one transaction: all of them or none."""
    if context.is_offline_mode():
        raise CommandError("The migrations look at the database; --sql has none.")
    url = current_app.config["SQLALCHEMY_DATABASE_URI"]
    is_sqlite = url.startswith("sqlite")
    arguments = SQLITE if is_sqlite else POSTGRESQL
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
    if is_sqlite:

        @event.listens_for(engine, "connect")
        def connect(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # BEGIN is ours to say.
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA journal_mode = WAL")

    else:
        postgresql.tell(engine)
        engine = engine.execution_options(isolation_level=postgresql.ISOLATION)

    with connected(engine) as connection, connection.begin():
        begin(connection)
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            include_name=include_name,
            process_revision_directives=skip_empty,
            on_version_apply=report,  # type: ignore[arg-type]
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()
        check_references(connection)
        is_at_head = context.get_context().get_current_heads() == (head(),)
    if is_at_head and is_upgrade():
        rewrite_texts()


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


run()
