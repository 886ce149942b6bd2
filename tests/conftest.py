"""Fixtures of all tests: databases made by the migrations, an application, a client.

Every test that uses `api` or `app` runs on SQLite and on PostgreSQL. Leave PostgreSQL
out with CAREERS_USERS_TEST_DATABASES=sqlite, and read in pytest's header that you did.
CAREERS_USERS_TEST_PGBOUNCER=1 puts a PgBouncer in transaction mode before PostgreSQL.
"""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import psycopg
import pytest
from flask import Flask

from careers_users import create_app
from careers_users.extensions import db
from careers_users.observability import health
from careers_users.server import status
from config import TestConfig
from tests import browser, pgbouncer, postgres
from tests.api import Api
from tests.browser import chromium
from tests.deploy import programs
from tests.mailbox import app_with_mail, mail_api, mails
from tests.node import node

# Fixtures; one browser, and one set of packages, for all tests that need them.
__all__ = ["app_with_mail", "chromium", "mail_api", "mails", "node"]

KEY = "a signing key for tests, and for nothing else"
KINDS = tuple(
    os.environ.get("CAREERS_USERS_TEST_DATABASES", "sqlite,postgresql").split(",")
)
_numbers = itertools.count(1)


def pytest_report_header() -> list[str]:
    """Say which databases the tests run on, in which browser, and what is missing."""
    left_out = {"sqlite", "postgresql"} - set(KINDS)
    note = f" (left out: {', '.join(sorted(left_out))})" if left_out else ""
    lines = [browser.header(), programs.header(), *pgbouncer.header()]
    return [f"databases: {', '.join(KINDS)}{note}", *lines]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, visibly, what needs a program that is not here."""
    programs.require(item)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run whatever uses a database on each kind of them."""
    if "database_kind" in metafunc.fixturenames:
        kinds = KINDS
        if metafunc.definition.get_closest_marker("browser"):
            # The pages call the API, and its tests run on each kind.
            kinds = KINDS[:1]
        if metafunc.definition.get_closest_marker("also_without_pg_trgm"):
            kinds += ("postgresql-plain",) if "postgresql" in KINDS else ()
        metafunc.parametrize("database_kind", kinds, scope="session")


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest revision."""
    app = create_app(TestConfig(database_url=url, jwt_secret_key=KEY))
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    """Yield a PostgreSQL server with a migrated database `template` to copy.

    And one `template_plain`, on which pg_trgm is missing.
    """
    with (
        postgres.server(tmp_path_factory.mktemp("postgresql")) as server,
        pgbouncer.if_asked_for(server),
    ):
        migrate(driver_url(server.create("template")))
        migrate(driver_url(server.create("template_plain")))
        drop_pg_trgm(server.url("template_plain"))
        yield server


def driver_url(url: str) -> str:
    """Return a URL with the driver named, as the settings make it."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def drop_pg_trgm(url: str) -> None:
    """Take the extension away, and with it the index that needs it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP EXTENSION IF EXISTS pg_trgm CASCADE")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite database to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(autouse=True)
def _nothing_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget between tests what a process has noticed for all its applications."""
    monkeypatch.setattr(status, "_warnings", {})
    monkeypatch.setattr(health, "KEEP_SECONDS", 0)


@pytest.fixture
def database_url(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Yield the URL of an empty, migrated database of this test's own."""
    if database_kind == "sqlite":
        path = tmp_path / "test.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: postgres.Server = request.getfixturevalue("postgresql")
    template = database_kind.replace("postgresql", "template").replace("-", "_")
    name = f"test_{next(_numbers)}"
    yield driver_url(server.create(name, template))
    server.drop(name)


@pytest.fixture
def settings(database_url: str) -> TestConfig:
    """Return the settings of the application under test."""
    return TestConfig(database_url=database_url, jwt_secret_key=KEY)


@pytest.fixture
def app(settings: TestConfig) -> Iterator[Flask]:
    """Yield the application under test, on a database of its own."""
    app = create_app(settings)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def api(app: Flask) -> Api:
    """Return a client that holds every reply to its documented schema."""
    return Api(app)
