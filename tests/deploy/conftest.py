"""Databases made by deploy/postgresql.sql, and the programs to talk to them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.deploy import programs, shell
from tests.deploy.made_database import MakeDatabase, major


@pytest.fixture
def tools(postgresql: postgres.Server) -> str:
    """Return the directory of client programs that are no older than the server."""
    places = [postgresql.programs, Path(programs.path("pg_dump")).parent]
    for place in filter(None, places):
        tools = [place / name for name in ("psql", "pg_dump", "pg_restore")]
        if all(tool.exists() for tool in tools) and all(
            major(tool) >= postgresql.version // 10000 for tool in tools
        ):
            return str(place)
    reason = "the PostgreSQL programs here are older than the server"
    assert not programs.are_required(), reason
    pytest.skip(reason)


@pytest.fixture
def make(
    postgresql: postgres.Server, tools: str, tmp_path: Path
) -> Iterator[MakeDatabase]:
    """Make databases by the script, and remove them with their roles."""
    maker = MakeDatabase(postgresql, tools, shell.checkout(tmp_path))
    yield maker
    maker.remove()
