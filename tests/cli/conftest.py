"""Second databases, for what goes from one to another."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.conftest import KINDS, driver_url

_numbers = itertools.count(1)


@pytest.fixture(params=KINDS)
def other_kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of database, for the second one."""
    kind: str = request.param
    return kind


@pytest.fixture
def other_url(
    other_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Yield the URL of a second database, empty and migrated."""
    if other_kind == "sqlite":
        path = tmp_path / "other.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: postgres.Server = request.getfixturevalue("postgresql")
    name = f"other_{next(_numbers)}"
    yield driver_url(server.create(name, "template"))
    server.drop(name)
