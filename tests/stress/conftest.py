"""Fixtures of the promises under stress, and the page with their results.

`pytest -m stress tests/stress` proves them all, and writes docs/reliability.md if all
hold; `pytest -m "stress and quick" tests/stress` is what every change has to pass.
"""

import contextlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import live_server, postgres
from tests.live_server import Server
from tests.stress import faults, page

Serve = Callable[..., Server]
TOLD = pytest.StashKey[dict[str, str]]()


# The soak begins first, and ends when all that minds no company has been tried.
ORDER = (
    "test_remembered_things_are_bounded",
    "",
    "test_minutes_of_everything_at_once",
)
MIND_NO_COMPANY = ("clocks", "fuzzing", "hostile_input", "migrations_filled")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Mark what is in this folder, and bring what is asked for into its order."""

    def is_ours(item: pytest.Item) -> bool:
        return Path(__file__).parent in item.path.parents

    def place(item: pytest.Item) -> int:
        if not is_ours(item):
            return -1
        if item.name in ORDER:
            return ORDER.index(item.name)
        is_quiet = item.path.stem.removeprefix("test_") in MIND_NO_COMPANY
        return 1 if is_quiet else len(ORDER)

    for item in filter(is_ours, items):
        item.add_marker(pytest.mark.stress)
    yield
    items.sort(key=place)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the figures of this test for the page: a short name, value with unit."""
    node: pytest.Item = request.node
    return node.stash.setdefault(TOLD, {})


@pytest.fixture
def whole(request: pytest.FixtureRequest) -> bool:
    """Return whether all of it is asked for, rather than the quick part."""
    return "quick" not in str(request.config.getoption("markexpr"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Yield a function that serves a database from two processes, as operators would.

    `serve(url, *words, **settings)` returns the running server; all are gone at the end
    of the test.
    """
    with contextlib.ExitStack() as stack:

        def start(url: str, *words: str, **settings: Any) -> Server:
            server = two_processes(tmp_path, url, *words, **settings)
            return stack.enter_context(server)

        yield start


def two_processes(folder: Path, url: str, *words: str, **settings: Any) -> Server:
    """Serve a database from two processes, as operators would."""
    key = {"CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY}
    words = ("--processes", "2", "--threads", "4", *words)
    return Server(folder, *words, DATABASE_URL=url, **key, **settings)


@pytest.fixture(scope="session")
def own_postgresql(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[postgres.Server]:
    """Yield a PostgreSQL server to mistreat, with a migrated database `template`."""
    with faults.own_postgresql(tmp_path_factory.mktemp("own")) as server:
        yield server


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the page, if all promises were asked about and hold."""
    option = session.config.option
    asked = (option.markexpr, option.keyword, option.file_or_dir)
    if exitstatus == 0 and asked == ("stress", "", ["tests/stress"]):
        page.write(session.items, TOLD)
