"""The migrations, on both databases: there and back, at once, half way, rebuilt."""

import ast
import logging
import os
import subprocess
import sys
from pathlib import Path

import flask_migrate
import psycopg
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from psycopg.sql import SQL, Identifier
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from careers_users.database import schema_version
from careers_users.extensions import db
from tests import postgres
from tests.api import Api
from tests.auth.stored import change_user
from tests.conftest import driver_url
from tests.database.migrating import (
    add_revision,
    downgrade,
    engine_of,
    fill,
    found,
    make_app,
    rows,
    upgrade,
)

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # Seconds for three upgrades on a busy machine; they take about two.
needs_postgresql = pytest.mark.skipif(
    "postgresql" not in os.environ.get("CAREERS_USERS_TEST_DATABASES", "postgresql"),
    reason="CAREERS_USERS_TEST_DATABASES leaves PostgreSQL out",
)


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
    assert schema_version.mistake(engine_of(empty)) is None
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
