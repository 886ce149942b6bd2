"""One database for all tests of a module, served twice; counters stay exact."""

import shutil
from collections.abc import Iterator

import pytest

from tests import live_server, postgres
from tests.live_server import Client
from tests.races.two_servers import two_servers

CLIENTS = 24


@pytest.fixture(scope="module")
def url(
    database_kind: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Yield the URL of a migrated database for all tests of a module."""
    if database_kind == "sqlite":
        path = tmp_path_factory.mktemp("races") / "races.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: postgres.Server = request.getfixturevalue("postgresql")
    name = request.module.__name__.rpartition(".")[2]
    yield server.create(name, "template")
    server.drop(name)


@pytest.fixture(scope="module")
def clients(
    url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Client]]:
    """Clients of two servers on that database."""
    with two_servers(tmp_path_factory.mktemp("servers"), url, CLIENTS) as both:
        yield both.clients


@pytest.fixture
def exact_counters(url: str) -> Iterator[None]:
    """Hold after a test: counters equal their rows."""
    yield
    assert live_server.wrong_counters(url) == []
