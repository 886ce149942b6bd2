"""Servers for the tests of the runner."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.small_server import Launch, Running, end, options


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start a server with the given settings; it ends with the test."""
    started: list[Running] = []

    def start(**changes: Any) -> Running:
        started.append(Running(tmp_path, options(**changes)))
        return started[-1]

    yield start
    for server in started:
        end(server)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield a server for the tests that leave it as it was."""
    running = Running(tmp_path_factory.mktemp("shared"), options())
    try:
        yield running.listening()
    finally:
        end(running)
