"""Databases to migrate, and replicas to read from."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from careers_users.database import schema_version
from careers_users.extensions import db
from tests import postgres, postgres_replica
from tests.api import Api
from tests.conftest import driver_url
from tests.database.migrating import fill, make_app
from tests.database.replica_pair import Pair, close


@pytest.fixture
def empty(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Flask]:
    """Yield an application on a database in which there is nothing yet."""
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
    """Return a copy of the migrations, to add revisions to."""
    path = tmp_path / "migrations"
    shutil.copytree(
        schema_version.migrations_directory(),
        path,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return path


@pytest.fixture(scope="module")
def standby(
    postgresql: postgres.Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[postgres_replica.Replica]:
    """Yield a replica of the server of the tests."""
    if postgresql.programs is None:
        pytest.skip("the server of TEST_DATABASE_URL is not ours to make a replica of")
    with postgres_replica.replica(
        postgresql, tmp_path_factory.mktemp("replica")
    ) as started:
        # Reads that are in the way of the replay are cancelled soon.
        started.configure(max_standby_streaming_delay="100ms")
        yield started


@pytest.fixture
def pair(
    standby: postgres_replica.Replica, request: pytest.FixtureRequest
) -> Iterator[Pair]:
    """Yield an empty, migrated database on both servers."""
    name = f"replicated_{request.node.name}"[:60]
    standby.primary.create(name, "template")
    standby.catch_up()
    yield Pair(name, standby)
    if standby.pid is None:
        standby.start()
    standby.resume()
    standby.primary.drop(name)


@pytest.fixture
def ones(pair: Pair) -> Iterator[Api]:
    """Yield an instance."""
    api = pair.api()
    yield api
    close(api.app)


@pytest.fixture
def others(pair: Pair) -> Iterator[Api]:
    """Another instance, which knows nothing of what the first has done."""
    api = pair.api()
    yield api
    close(api.app)
