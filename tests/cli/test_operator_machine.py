"""The messages to an operator whose machine is at fault: its disk, its clock."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from careers_users import clock
from careers_users.observability import checks
from config import TestConfig
from tests.cli.told import SECRET, finding, log_lines, ready
from tests.in_process import run
from tests.live_server import KEY, Client, Server

# The service with a clock that is off by so many hours, or a disk with little room.
SHIFTED = """
import datetime, careers_users.clock as clock
now, shift = clock.utcnow, datetime.timedelta(hours={hours})
clock.utcnow = lambda: now() + shift
from careers_users.__main__ import main; main()
"""


CRAMPED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from careers_users.__main__ import main; main()
"""


def register_many(client: Client) -> None:
    """Register more users than there is room for."""
    for number in range(200):
        client.register(f"user{number}")


@pytest.mark.skipif(sys.platform == "win32", reason="nothing limits files there")
def test_a_disk_that_is_full(tmp_path: Path) -> None:
    words = "The database has no room left to write: make room on its disk"
    assert run(tmp_path, "users", "list").returncode == 0  # makes the database
    database = tmp_path / "instance/careers_users.db"
    size = database.stat().st_size + 100_000
    command = (sys.executable, "-c", CRAMPED.format(size=size), "serve")
    with Server(tmp_path, command=command) as server, Client(server.port) as client:
        assert client.register("alice").status == 201
        assert "warnings" not in ready(server.port).body
        # A refusal is an error to that client, which is what is waited for here.
        with pytest.raises(AssertionError, match="503"):
            register_many(client)
        assert client.call("GET", "alice/").status == 200
        answer = ready(server.port)
        assert answer.status == 200
        assert any(words in warning for warning in answer.body["warnings"])
        lines = log_lines(server.log, words)
        assert len(lines) == 1
        assert "INSERT" not in lines[0]


def test_a_disk_that_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TestConfig(database_url=f"sqlite:///{tmp_path}/a.db", jwt_secret_key=KEY)

    class Usage:
        free = 0

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    states = []
    for Usage.free in (0, 16 * 1024**2, 1024**3):
        states.append(checks.disk(settings).state)
    assert states == ["error", "warning", "ok"]


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_off(
    database_url: str,
    database_kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
) -> None:
    settings = {"DATABASE_URL": database_url, **SECRET}
    with Server(tmp_path, **settings) as server, Client(server.port) as client:
        assert client.register("alice").status == 201
        assert "Our clock" not in server.log
    words = f"s {'ahead of' if hours > 0 else 'behind'} the "
    now, shift = clock.utcnow, timedelta(hours=hours)
    with monkeypatch.context() as patch:
        patch.setattr(clock, "utcnow", lambda: now() + shift)
        found = finding(tmp_path, "clock", **settings)
    command = (sys.executable, "-c", SHIFTED.format(hours=hours), "serve")
    with Server(tmp_path, command=command, **settings) as server:
        answer = ready(server.port)
        warnings = " ".join(answer.body.get("warnings", []))
        lines = log_lines(server.log, "Our clock is ")
    assert answer.status == 200
    if database_kind == "sqlite" and hours > 0:
        # No row tells that the clock is ahead: nothing is claimed.
        assert (found["state"], "Our clock" in warnings, lines) == ("ok", False, [])
        assert "more can't be told" in found["message"]
        return
    assert (found["state"], words in found["message"]) == ("warning", True)
    assert words in warnings
    assert len(lines) == 1
    assert words in lines[0]
