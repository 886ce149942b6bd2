"""The migrations, on both databases: there and back, at once, half way, rebuilt."""

import ast
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.exc import DBAPIError

from careers_users import create_app
from careers_users.database import schema_version
from careers_users.extensions import db
from config import TestConfig
from tests import postgres
from tests.api import Api
from tests.auth.stored import change_user
from tests.conftest import driver_url
from tests.post_events.posts_service import leave_rows

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # Seconds for three upgrades on a busy machine; they take about two.
KEY = "a signing key for the tests of migrations"
# Later ones go when their revision is taken back, and their rows with them.
FIRST_TABLES = "users user_counters follows refresh_tokens revoked_tokens"
ADDED_LATER = (
    "refresh_tokens.confirmed_at users.changed_at user_counters.changed_at "
    "users.closing_until"
)
# What revisions write as their version reads it.
DERIVED = "users.first_name_key users.last_name_key users.search_text"
TRIGGERS = {f"users_search_{event}" for event in ("insert", "update", "delete")}
TRIGGERS |= {"user_totals_insert", "user_totals_delete"}
needs_postgresql = pytest.mark.skipif(
    "postgresql" not in os.environ.get("CAREERS_USERS_TEST_DATABASES", "postgresql"),
    reason="CAREERS_USERS_TEST_DATABASES leaves PostgreSQL out",
)


def make_app(url: str) -> Flask:
    """Return an application on the database at `url`, whatever is in it."""
    return create_app(TestConfig(database_url=url, jwt_secret_key=KEY))


@pytest.fixture
def empty(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Flask]:
    """An application on a database in which there is nothing yet."""
    if database_kind == "sqlite":
        yield make_app(f"sqlite:///{tmp_path / 'empty.db'}")
        return
    server: postgres.Server = request.getfixturevalue("postgresql")
    app = make_app(driver_url(server.create("empty")))
    yield app
    with app.app_context():
        db.engine.dispose()
    server.drop("empty")


@pytest.fixture
def filled(sqlite_template: Path, tmp_path: Path) -> Api:
    """Three users on SQLite, of whom two follow and one has been unfollowed."""
    path = tmp_path / "filled.db"
    shutil.copy(sqlite_template, path)
    api = Api(make_app(f"sqlite:///{path}"))
    fill(api)
    return api


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A copy of the migrations, to add revisions to."""
    path = tmp_path / "migrations"
    shutil.copytree(
        schema_version.migrations_directory(),
        path,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return path


def add_revision(history: Path, upgrade: str) -> None:
    """Write the revision after the newest; `upgrade` is the body of its function."""
    path = history / "versions" / "9999_test.py"
    path.unlink(missing_ok=True)
    newest = ScriptDirectory(str(history)).get_current_head()
    path.write_text(
        '"""A change that only a test makes."""\n'
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = '9999', {newest!r}\n"
        "branch_labels = depends_on = None\n"
        f"def upgrade():\n{upgrade}\n"
    )


def upgrade(app: Flask, **options: Any) -> None:
    """Upgrade the database of `app`; options are those of Flask-Migrate."""
    with app.app_context():
        flask_migrate.upgrade(**options)


def downgrade(app: Flask, revision: str) -> None:
    with app.app_context():
        flask_migrate.downgrade(revision=revision)


def engine_of(app: Flask) -> Engine:
    """Return the engine of `app`, on which foreign keys are enforced."""
    with app.app_context():
        return db.engine


def rows(app: Flask) -> dict[str, list[Any]]:
    """Return all rows of the tables that there have been since the first revision."""
    found = {}
    with engine_of(app).connect() as connection:
        for table in [db.metadata.tables[name] for name in FIRST_TABLES.split()]:
            others = (ADDED_LATER + " " + DERIVED).split()
            columns = [c for c in table.c if str(c) not in others]
            ordered = select(*columns).order_by(*table.primary_key)
            found[table.name] = [tuple(row) for row in connection.execute(ordered)]
    return found


def fill(api: Api) -> None:
    """Leave a row in every table: users, numbers, edges, sessions, revocations, ..."""
    alice, bob, dora, carol = (
        api.register(name, first_name="Zoë", bio=f"I am {name}, nobody else")
        for name in ("alice", "bob", "dora", "carol")
    )
    api.delete("me/", json={"password": dora.password}, token=dora.access)
    for follower, following in ((alice, bob), (bob, alice), (alice, carol)):
        api.post("follow/", {"following": following.id}, token=follower.access)
    api.delete("carol/unfollow/", token=alice.access)
    api.post("logout/", {"refresh": carol.refresh}, token=carol.access)
    leave_rows(engine_of(api.app), bob.id)
    assert all(rows(api.app).values())


def found(api: Api, term: str) -> list[str]:
    """Return whom a search finds."""
    reply = api.get("", query_string={"search": term}).json
    assert reply["batch_info"]["total_users"] == len(reply["users"])
    return [user["username"] for user in reply["users"]]


def test_check_finds_no_difference_between_models_and_migrations(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        flask_migrate.check()
        assert caplog.text == ""

        with db.engine.begin() as connection:
            connection.execute(text("ALTER TABLE users ADD COLUMN shoe_size INTEGER"))
        with pytest.raises(SystemExit, match="1"):
            flask_migrate.check()
    assert "shoe_size" in caplog.text


def test_nothing_is_written_for_models_that_have_not_changed(
    app: Flask, history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((history / "versions").glob("*.py"))
    with app.app_context():
        flask_migrate.migrate(directory=str(history), message="nothing")
    assert "The models have not changed." in capsys.readouterr().err
    assert sorted((history / "versions").glob("*.py")) == before


def test_going_back_to_the_first_revision_and_up_again_keeps_every_row(
    app: Flask, api: Api
) -> None:
    fill(api)
    dave = api.register("dave", bio="here from the start")
    before = rows(app)
    downgrade(app, "0001")
    assert rows(app) == before
    change_user(app, "dave", bio="no index", search_text="dave\x1f\x1f\x1fno index")
    first = rows(app)
    upgrade(app)
    assert rows(app) == first
    assert found(api, "NO INDEX") == ["dave"]
    assert found(api, "zoë") == ["alice", "bob", "carol"]
    api.patch("me/update/", {"bio": "moved on"}, token=dave.access)
    assert (found(api, "no index"), found(api, "moved")) == ([], ["dave"])


def test_going_back_to_nothing_and_up_again_gives_a_working_service(
    app: Flask, api: Api
) -> None:
    fill(api)

    downgrade(app, "base")
    assert inspect(engine_of(app)).get_table_names() == ["alembic_version"]
    assert api.get("alice/").status_code == 503
    upgrade(app)

    assert api.register("alice").id == 1
    assert found(api, "alice") == ["alice"]


def test_three_upgrades_at_once_all_succeed(empty: Flask) -> None:
    url = empty.config["SQLALCHEMY_DATABASE_URI"]
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    try:
        said = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()

    assert [process.returncode for process in processes] == [0, 0, 0], said
    # Each revision was applied by one of them; the others found it done.
    assert "".join(said).count("Migrated the database to revision 0001.") == 1, said
    assert schema_version.mistake(empty) is None
    assert Api(empty).register("alice").id == 1


HALF = """
    op.create_table("halves", sa.Column("id", sa.Integer()))
    op.execute("INSERT INTO totals VALUES ('halves', 1)")
"""


def test_a_migration_that_fails_half_way_leaves_nothing_of_itself(
    empty: Flask, history: Path
) -> None:
    add_revision(history, HALF + '    op.execute("INSERT INTO nowhere VALUES (1)")')
    with pytest.raises(DBAPIError, match="nowhere"):
        upgrade(empty, directory=str(history))
    # On SQLite all revisions are one transaction.
    is_sqlite = engine_of(empty).dialect.name == "sqlite"
    assert inspect(engine_of(empty)).has_table("users") is not is_sqlite
    assert not inspect(engine_of(empty)).has_table("halves")

    add_revision(history, HALF)
    upgrade(empty, directory=str(history))
    assert inspect(engine_of(empty)).has_table("halves")
    with engine_of(empty).connect() as connection:
        totals = connection.execute(text("SELECT name, value FROM totals ORDER BY 1"))
        assert [tuple(row) for row in totals] == [("halves", 1), ("users", 0)]


def test_migrations_are_not_written_out_as_sql(
    empty: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SystemExit, match="1"):
        upgrade(empty, sql=True)
    assert "The migrations look at the database" in caplog.text


REBUILD = """
    with op.batch_alter_table("users"{options}) as users:
        users.alter_column("first_name", type_=sa.String(200))
"""
NUMBERED = ", table_kwargs={'sqlite_autoincrement': True}"
KEEP_ALL = """
    triggers = op.get_bind().exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger'"
    ).scalars().all()
{rebuild}
    for trigger in triggers:
        op.execute(trigger)
"""


@pytest.mark.parametrize(
    ("change", "dropped"),
    [
        pytest.param(REBUILD.format(options=""), TRIGGERS, id="plain"),
        # What a rebuild of `users` must do besides, or new users can't be found and
        # numbers are given twice.
        pytest.param(
            KEEP_ALL.format(rebuild=REBUILD.format(options=NUMBERED)),
            set(),
            id="with triggers made again",
        ),
    ],
)
def test_rebuilding_users_on_sqlite_keeps_rows_and_constraints(
    filled: Api, history: Path, change: str, dropped: set[str]
) -> None:
    def names() -> set[str]:
        with engine_of(filled.app).connect() as connection:
            master = connection.execute(text("SELECT name FROM sqlite_master"))
            uniques = inspect(connection).get_unique_constraints("users")
            return {*master.scalars(), *(str(unique["name"]) for unique in uniques)}

    before, names_before = rows(filled.app), names()
    add_revision(history, change)
    upgrade(filled.app, directory=str(history))

    columns = inspect(engine_of(filled.app)).get_columns("users")
    assert 200 in [getattr(column["type"], "length", 0) for column in columns]
    assert rows(filled.app) == before
    assert names_before - names() == dropped
    assert found(filled, "zoë") == ["alice", "bob", "carol"]
    if not dropped:
        filled.register("dave", bio="came later")
        assert found(filled, "later") == ["dave"]
        with engine_of(filled.app).begin() as connection:
            connection.execute(text("DELETE FROM users WHERE username_key = 'dave'"))
        assert filled.register("erin").id == 6


def test_a_migration_that_breaks_references_is_refused(
    filled: Api, history: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = rows(filled.app)
    add_revision(history, "    op.execute('DELETE FROM users WHERE id = 1')")

    with pytest.raises(SystemExit, match="1"):
        upgrade(filled.app, directory=str(history))

    assert "This would leave broken references" in caplog.text
    assert "follows" in caplog.text
    assert rows(filled.app) == before
    assert schema_version.mistake(filled.app) is None


def restrict(url: str) -> str:
    """Return the URL of a role that may create tables in a database, and no more."""
    with psycopg.connect(url, autocommit=True) as connection:
        # A superuser may do everything, so a role that every server has stands in.
        role = connection.execute(
            "SELECT CASE WHEN rolsuper THEN 'pg_monitor' ELSE current_user END"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchall()[0][0]
        names = {
            "role": Identifier(role),
            "database": Identifier(connection.info.dbname),
        }
        revoke = SQL("REVOKE CREATE ON DATABASE {database} FROM {role}")
        connection.execute(revoke.format(**names))
        grant = SQL("GRANT ALL ON SCHEMA public TO {role}")
        connection.execute(grant.format(**names))
    return f"{url}{'&' if '?' in url else '?'}options=-crole%3D{role}"


@needs_postgresql
def test_without_the_right_to_create_extensions_search_still_answers(
    postgresql: postgres.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    postgresql.create("restricted")  # Used directly: PgBouncer knows no `options`.
    app = make_app(driver_url(restrict(postgresql.url("restricted"))))
    try:
        upgrade(app)
        said = capsys.readouterr().err
        assert "Searches will read the whole users table" in said
        assert ("permission denied" in said) == postgresql.has_pg_trgm
        api = Api(app)
        fill(api)
        assert found(api, "ALICE, nobody") == ["alice"]
        assert found(api, "%") == []
    finally:
        with app.app_context():
            db.engine.dispose()
        postgresql.drop("restricted")


def test_migrating_leaves_the_loggers_of_others_alone(empty: Flask) -> None:
    logger = logging.getLogger("of_somebody_else")
    root = logging.getLogger()
    before = (logger.disabled, logger.level, root.level, list(root.handlers))
    upgrade(empty)
    assert (logger.disabled, logger.level, root.level, list(root.handlers)) == before
    assert not logger.disabled


def test_revisions_are_numbered_and_say_what_they_do() -> None:
    directory = schema_version.migrations_directory()
    files = sorted((directory / "versions").glob("[!_]*.py"))
    scripts = list(ScriptDirectory(str(directory)).walk_revisions())[::-1]
    numbers = [f"{number:04d}" for number in range(1, len(files) + 1)]

    assert [file.name[:5] for file in files] == [f"{number}_" for number in numbers]
    assert [script.revision for script in scripts] == numbers
    assert [script.down_revision for script in scripts] == [None, *numbers[:-1]]
    for file, number, last in zip(files, numbers, [None, *numbers], strict=False):
        module = ast.parse(file.read_text())
        lines = (ast.get_docstring(module) or "").splitlines()
        assert len(lines[0]) > 20, file.name
        place = f"after {last}." if last else "the first."
        assert lines[-1] == f"Revision: {number}, {place}"
        for part in module.body:
            if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                assert ast.get_docstring(part), (file.name, part.name)
