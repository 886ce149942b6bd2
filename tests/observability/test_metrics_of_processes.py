"""The numbers of several processes, counted together."""

import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from careers_users import create_app
from careers_users.cli.startup import prepare
from careers_users.observability import meters
from config import TestConfig
from tests.live_server import KEY, PATIENCE, Server
from tests.observability.scraped import Samples, get, requests_in, samples


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_processes_count_together(tmp_path: Path, sqlite_template: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    settings = {
        "DATABASE_URL": f"sqlite:///{sqlite_template}",
        "CAREERS_USERS_JWT_SECRET_KEY": KEY,
        "CAREERS_USERS_METRICS": "true",
        "CAREERS_USERS_PROCESSES": "3",
        "TMPDIR": str(temporary),
    }
    labels = ("GET", "/careers/users/", "200")
    with Server(tmp_path, **settings) as server:
        port = server.port
        (directory,) = temporary.iterdir()
        assert directory.stat().st_mode & 0o777 == 0o700
        for _ in range(30):
            assert get(port, "/careers/users/")[0] == 200
        # Every process answers the sum.
        for _ in range(5):
            found = samples(get(port, "/metrics")[1])
            assert requests_in(found)[labels] == 30
            assert found["careers_users_build_info"].popitem()[1] == 3
            assert found["careers_users_requests_in_flight"][()] == 1
            assert found["careers_users_database_connections_in_use"][()] == 0

        workers = {int(name) for name in re.findall(r"_(\d+)\.db", names(directory))}
        assert len(workers) == 3
        victim = min(workers)
        os.kill(victim, signal.SIGKILL)
        found = wait_until_replaced(port, directory, victim)
        assert requests_in(found)[labels] == 30, "what it has counted stays"
        # Our own server takes these headers away; that they were there is known still.
        forwarded = {"X-Forwarded-For": "192.0.2.1"}
        assert get(port, "/metrics", **forwarded)[0] == 404
        assert server.stop() == 0
    assert list(temporary.iterdir()) == []


def names(directory: Path) -> str:
    """Return the names of the files in a directory."""
    return " ".join(path.name for path in directory.iterdir())


def wait_until_replaced(port: int, directory: Path, victim: int) -> Samples:
    """Wait until a killed process is forgotten and replaced; return a scrape."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status, text = get(port, "/metrics")
        assert status == 200, text
        found = samples(text)
        is_forgotten = f"livesum_{victim}." not in names(directory)
        if is_forgotten and found["careers_users_build_info"].popitem()[1] == 3:
            return found
    pytest.fail(f"still {names(directory)}")


def test_commands_that_do_not_serve_make_no_directory(
    settings: TestConfig, tmp_path: Path
) -> None:
    before: Any = os.environ.get(meters.DIRECTORY)
    prepare(create_app(replace(settings, metrics=True)), settings)
    assert os.environ.get(meters.DIRECTORY) == before
    assert not list(tmp_path.glob("careers-users-metrics-*"))
