"""Migrations that need tables which others use, on PostgreSQL: how long they wait."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from careers_users import create_app
from careers_users.database import schema_version
from careers_users.extensions import db
from config import TestConfig
from tests import postgres
from tests.conftest import KINDS, driver_url

KEY = "a signing key for the tests of locks"
pytestmark = pytest.mark.skipif(
    "postgresql" not in KINDS,
    reason="CAREERS_USERS_TEST_DATABASES leaves PostgreSQL out",
)


@pytest.fixture
def before(postgresql: postgres.Server) -> Iterator[Flask]:
    """An application whose database is at the revision before the columns came."""
    url = driver_url(postgresql.create("locked", "template"))
    app = create_app(TestConfig(database_url=url, jwt_secret_key=KEY))
    with app.app_context():
        flask_migrate.downgrade(revision="0006")
    yield app
    with app.app_context():
        db.engine.dispose()
    postgresql.drop("locked")


@pytest.fixture
def holder(
    before: Flask, postgresql: postgres.Server
) -> Iterator["psycopg.Connection[Any]"]:
    """Somebody else in that database, in a transaction."""
    del before
    with psycopg.connect(postgresql.url("locked")) as connection:
        yield connection


@pytest.fixture
def impatient(tmp_path: Path) -> str:
    """The migrations, which here wait less long for anything."""
    copy = tmp_path / "migrations"
    shutil.copytree(schema_version.migrations_directory(), copy)
    for path, wait in (
        (copy / "env.py", "TABLE_LOCK_SECONDS"),
        (copy / "versions/0007_changed_at.py", "SECONDS"),
    ):
        whole = path.read_text("utf-8")
        assert f"\n{wait} = 10" in whole
        path.write_text(whole.replace(f"\n{wait} = 10", f"\n{wait} = 1"), "utf-8")
    return str(copy)


@contextmanager
def locks() -> Iterator[list[str]]:
    """The locks that are asked for meanwhile, each when it is asked for."""
    asked: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("LOCK TABLE user"):
            asked.append(statement.split()[2])

    event.listen(Engine, "before_cursor_execute", note)
    yield asked
    event.remove(Engine, "before_cursor_execute", note)


def upgrade(app: Flask, directory: str) -> str | None:
    """Upgrade; return what is wrong with the database then."""
    with app.app_context():
        flask_migrate.upgrade(directory=directory)
    return schema_version.mistake(app)


def test_a_table_that_is_not_to_be_had_is_waited_for_once(
    before: Flask, holder: "psycopg.Connection[Any]", impatient: str
) -> None:
    # As pg_dump does, with all tables and for as long as it takes.
    holder.execute("LOCK TABLE users, user_counters IN ACCESS SHARE MODE")
    with locks() as asked, pytest.raises(DBAPIError, match="lock timeout"):
        upgrade(before, impatient)
    assert asked == ["users"]
    assert "0006" in (schema_version.mistake(before) or "")

    holder.rollback()
    assert upgrade(before, impatient) is None


def test_the_second_of_two_tables_is_tried_again_but_not_for_ever(
    before: Flask, holder: "psycopg.Connection[Any]", impatient: str
) -> None:
    holder.execute("LOCK TABLE user_counters IN ACCESS SHARE MODE")
    with locks() as asked, pytest.raises(DBAPIError, match="could not obtain lock"):
        upgrade(before, impatient)
    assert asked[:4] == ["users", "user_counters"] * 2
    assert len(asked) < 30

    def let_go(_conn: Any, _cursor: Any, _statement: str, *_: Any) -> None:
        if asked.count("user_counters") == 3:
            holder.rollback()

    with locks() as asked:
        event.listen(Engine, "before_cursor_execute", let_go)
        try:
            assert upgrade(before, impatient) is None
        finally:
            event.remove(Engine, "before_cursor_execute", let_go)
    assert asked == ["users", "user_counters"] * 3
