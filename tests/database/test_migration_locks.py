"""Migrations beside others who use the tables, on PostgreSQL: locks, index builds."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine, event, inspect
from sqlalchemy.exc import DBAPIError

from careers_users import create_app
from careers_users.database import schema_version
from careers_users.extensions import db
from config import TestConfig
from tests import live_server, postgres
from tests.conftest import KINDS, driver_url
from tests.database.revisions import add_revision

KEY = "a signing key for the tests of locks"
pytestmark = pytest.mark.skipif(
    "postgresql" not in KINDS,
    reason="CAREERS_USERS_TEST_DATABASES leaves PostgreSQL out",
)


@pytest.fixture
def migrated(postgresql: postgres.Server) -> Iterator[Flask]:
    """Yield an application on a migrated database of its own."""
    url = driver_url(postgresql.create("locked", "template"))
    app = create_app(TestConfig(database_url=url, jwt_secret_key=KEY))
    yield app
    with app.app_context():
        db.engine.dispose()
    postgresql.drop("locked")


@pytest.fixture
def holder(
    migrated: Flask, postgresql: postgres.Server
) -> Iterator["psycopg.Connection[Any]"]:
    """Yield a connection of another client to that database, in a transaction."""
    del migrated
    with psycopg.connect(postgresql.url("locked")) as connection:
        yield connection


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Return a copy of the migrations, which pause and try less long."""
    copy = tmp_path / "migrations"
    shutil.copytree(schema_version.migrations_directory(), copy)
    env = copy / "env.py"
    whole = env.read_text("utf-8")
    for name, is_now, shorter in (
        ("PAUSE_SECONDS", "1.0", "0.01"),
        ("TRIES_SECONDS", "600", "3"),
        ("TABLE_LOCK_MILLISECONDS", "800", "200"),
    ):
        assert f"\n{name} = {is_now}\n" in whole
        whole = whole.replace(f"\n{name} = {is_now}\n", f"\n{name} = {shorter}\n")
    env.write_text(whole, "utf-8")
    return copy


def test_nothing_waits_for_a_table_for_a_second() -> None:
    """All who use the table queue behind the migration meanwhile."""
    env = schema_version.migrations_directory() / "env.py"
    assert "\nTABLE_LOCK_MILLISECONDS = 800\n" in env.read_text("utf-8")


@contextmanager
def statements(start: str) -> Iterator[list[str]]:
    """Yield the statements that begin like this, each when it is sent."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(start):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


def upgrade(app: Flask, directory: Path, revision: str = "head") -> None:
    """Upgrade the database of `app`."""
    with app.app_context():
        flask_migrate.upgrade(directory=str(directory), revision=revision)


def current(app: Flask) -> tuple[str, ...]:
    """Return the revision that the database is at."""
    with app.app_context():
        return schema_version.current(db.engine)


ADD_COLUMN = '    op.add_column("users", sa.Column("{}", sa.Integer()))'


def test_a_table_in_use_is_tried_again_until_it_is_free(
    migrated: Flask,
    holder: "psycopg.Connection[Any]",
    history: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_revision(history, ADD_COLUMN.format("shoe_size"))
    # As pg_dump does, with all tables and for as long as it takes.
    holder.execute("LOCK TABLE users IN ACCESS SHARE MODE")
    before = current(migrated)
    with pytest.raises(DBAPIError, match="lock timeout"):
        upgrade(migrated, history)
    assert current(migrated) == before

    with statements("ALTER TABLE users") as tried:

        def let_go(_conn: Any, _cursor: Any, _statement: str, *_: Any) -> None:
            if len(tried) == 3:
                holder.rollback()

        event.listen(Engine, "before_cursor_execute", let_go)
        try:
            upgrade(migrated, history)
        finally:
            event.remove(Engine, "before_cursor_execute", let_go)
    assert len(tried) == 3
    assert capsys.readouterr().err.count("A table is in use") >= 2


def test_events_applied_before_an_interruption_stay(
    migrated: Flask, history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = add_revision(history, ADD_COLUMN.format("shoe_size"))
    second = add_revision(history, ADD_COLUMN.format("hat_size") + "\n    1 / 0")
    with pytest.raises(ZeroDivisionError):
        upgrade(migrated, history)
    assert current(migrated) == (first.name[:4],)

    second.write_text(second.read_text("utf-8").replace("1 / 0", "pass"), "utf-8")
    upgrade(migrated, history)
    assert current(migrated) == (second.name[:4],)
    assert capsys.readouterr().err.count(first.name[:4]) == 1


def test_so_many_steps_are_not_begun_anew(
    migrated: Flask, holder: "psycopg.Connection[Any]", history: Path
) -> None:
    first = add_revision(history, ADD_COLUMN.format("shoe_size"))
    add_revision(history, '    op.drop_table("totals")')
    third = add_revision(history, "    pass")
    holder.execute("LOCK TABLE totals IN ACCESS SHARE MODE")
    with pytest.raises(DBAPIError, match="lock timeout"):
        upgrade(migrated, history, "+2")
    assert current(migrated) == (first.name[:4],)
    holder.rollback()
    upgrade(migrated, history, "+2")
    assert current(migrated) == (third.name[:4],)


BUILD = """
    from careers_users.database import index_builds

    index_builds.create_index("ix_users_bio", "users", ["bio"])
    op.add_column("users", sa.Column("shoe_size", sa.Integer()))
"""


def test_an_index_is_built_while_others_use_the_table(
    migrated: Flask, holder: "psycopg.Connection[Any]", history: Path
) -> None:
    add_revision(history, BUILD)
    holder.execute("LOCK TABLE users IN ROW SHARE MODE")
    with statements("CREATE INDEX CONCURRENTLY ix_users_bio") as built:
        # The lock for the column.
        with pytest.raises(DBAPIError, match="lock timeout"):
            upgrade(migrated, history)
        assert len(built) == 1
        # The index is there, and is not built again.
        holder.rollback()
        upgrade(migrated, history)
        assert len(built) == 1
    with migrated.app_context():
        names = {index["name"] for index in inspect(db.engine).get_indexes("users")}
    assert "ix_users_bio" in names


def test_a_rest_of_an_interrupted_build_is_built_anew(
    migrated: Flask, history: Path
) -> None:
    with migrated.app_context(), db.engine.connect() as connection:
        connection.exec_driver_sql("CREATE INDEX ix_users_bio ON users (bio)")
        invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = "
        connection.exec_driver_sql(f"{invalid} 'ix_users_bio'::regclass")
    add_revision(history, BUILD)
    upgrade(migrated, history)
    with migrated.app_context(), db.engine.connect() as connection:
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = "
        found = connection.exec_driver_sql(f"{valid} 'ix_users_bio'::regclass")
        assert found.scalar_one() is True


def test_waiting_for_another_migration_holds_up_no_build(
    migrated: Flask, history: Path, tmp_path: Path
) -> None:
    """A server that waits for the lock itself would be waited for by the build."""
    add_revision(history, BUILD)
    url = migrated.config["SQLALCHEMY_DATABASE_URI"]

    def run(_number: int) -> str:
        words = ("db", "upgrade", "-d", str(history))
        settings = {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
        done = live_server.run(tmp_path, *words, **settings)
        assert done.returncode == 0, done.stderr
        return done.stderr

    said = "".join(live_server.at_once(run, range(2)))
    assert said.count("Migrated the database to revision") == 1
    assert said.count("Nothing to do") <= 1
