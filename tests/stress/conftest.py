"""What the promises under stress share, and the page that says what they found.

`pytest -m stress tests/stress` proves them all, and writes docs/reliability.md if all
hold; `pytest -m "stress and quick" tests/stress` is what every change has to pass.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import postgres, served
from tests.served import Server
from tests.stress import faults, page

Serve = Callable[..., Server]
TOLD = pytest.StashKey[dict[str, str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.stress)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the page says of this test: a short name and a figure with its unit."""
    node: pytest.Item = request.node
    return node.stash.setdefault(TOLD, {})


@pytest.fixture
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether all of it is asked for, rather than the quick part."""
    return "quick" not in str(request.config.getoption("markexpr"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A function that serves a database from two processes, as operators would.

    `serve(url, *words, **settings)` returns the running server; all are gone at the end
    of the test.
    """
    with contextlib.ExitStack() as stack:

        def start(url: str, *words: str, **settings: str) -> Server:
            key = {"CAREERS_USERS_JWT_SECRET_KEY": served.KEY}
            words = ("--processes", "2", "--threads", "4", *words)
            server = Server(tmp_path, *words, DATABASE_URL=url, **key, **settings)
            return stack.enter_context(server)

        yield start


@pytest.fixture(scope="session")
def own_postgresql(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[postgres.Server]:
    """A PostgreSQL server to be mistreated, with a migrated database `template`."""
    with faults.own_postgresql(tmp_path_factory.mktemp("own")) as server:
        yield server


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the page, if all promises were asked about and hold."""
    option = session.config.option
    asked = (option.markexpr, option.keyword, option.file_or_dir)
    if exitstatus == 0 and asked == ("stress", "", ["tests/stress"]):
        page.write(session.items, TOLD)
