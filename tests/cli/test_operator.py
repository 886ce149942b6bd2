"""What an operator is told when something is wrong around the service.

For each trouble: by `careers-users check`, by /health/ready, and by one log line.
"""

import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from careers_users.observability import checks
from config import TestConfig
from tests import postgres
from tests.conftest import KINDS, migrate
from tests.live_server import KEY, Client, Server, ask, run, until

SECRET = {"CAREERS_USERS_JWT_SECRET_KEY": KEY}
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


class Ready(NamedTuple):
    """What /health/ready answers."""

    status: int
    body: dict[str, Any]


def ready(port: int, **headers: str) -> Ready:
    """Ask /health/ready, which may well be a 503."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/health/ready", headers=headers)
        response = connection.getresponse()
        return Ready(response.status, json.loads(response.read()))
    finally:
        connection.close()


def finding(folder: Path, name: str, **settings: str) -> dict[str, Any]:
    """Return what `check` says of one thing."""
    result = run(folder, "check", "--json", **settings)
    found = {each["name"]: each for each in json.loads(result.stdout)["checks"]}
    errors = [each for each in found.values() if each["state"] == "error"]
    assert result.returncode == (1 if errors else 0)
    return dict(found[name])


def log_lines(log: str, words: str) -> list[str]:
    """The lines of a log with these words; each must say all of it in one line."""
    return [line for line in log.splitlines() if words in line]


@pytest.fixture(scope="module")
def own_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[postgres.Server]:
    """A PostgreSQL server of these tests' own, to lock the door of and to stop."""
    if "postgresql" not in KINDS:
        pytest.skip("PostgreSQL is left out of this run; the header says so")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TEST_DATABASE_URL", raising=False)
        with postgres.server(tmp_path_factory.mktemp("own")) as server:
            url = server.create("careers")
            migrate(url.replace("postgresql://", "postgresql+psycopg://", 1))
            yield server


def order(server: postgres.Server, *statements: str) -> None:
    """Give orders to the server as its superuser."""
    with psycopg.connect(server.url("careers"), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


# -- The database ----------------------------------------------------------------------


def test_a_wrong_database_password(own_server: postgres.Server, tmp_path: Path) -> None:
    words = "The database refuses the user or the password of DATABASE_URL"
    rules = own_server.directory / "data/pg_hba.conf"
    rules.write_text(f"host all clerk all scram-sha-256\n{rules.read_text()}")
    order(
        own_server,
        "SELECT pg_reload_conf()",
        "CREATE ROLE clerk LOGIN PASSWORD 'open-sesame' IN ROLE pg_read_all_data",
        "GRANT pg_write_all_data TO clerk",
    )
    address = own_server.url("careers").partition("@")[2]
    wrong = {"DATABASE_URL": f"postgresql://clerk:close-sesame@{address}", **SECRET}
    right = {"DATABASE_URL": f"postgresql://clerk:open-sesame@{address}", **SECRET}

    said = finding(tmp_path, "database", **wrong)
    assert (said["state"], words in said["message"]) == ("error", True)
    refused = run(tmp_path, "serve", **wrong)
    assert refused.returncode == 69
    assert len(log_lines(refused.stderr, words)) == 1
    assert run(tmp_path, "users", "list", **wrong).returncode == 69
    assert "close-sesame" not in f"{said} {refused.stderr}"

    with Server(tmp_path, **right) as server:
        assert ready(server.port).status == 200
        order(
            own_server,
            "ALTER ROLE clerk PASSWORD 'changed'",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'clerk'",
        )
        answer = ready(server.port)
        assert (answer.status, answer.body["database"]) == (503, "access denied")
        until(lambda: log_lines(server.log, words))
        assert "sesame" not in server.log


def test_a_database_that_is_down(own_server: postgres.Server, tmp_path: Path) -> None:
    words = "The database can't be reached: check that it runs"
    settings = {"DATABASE_URL": own_server.url("careers"), **SECRET}
    with Server(tmp_path, **settings) as server:
        assert ready(server.port).status == 200
        own_server.stop()
        try:
            answer = ready(server.port)
            said = finding(tmp_path, "database", **settings)
            at_once = {"CAREERS_USERS_DB_START_TIMEOUT": "0"}
            refused = run(tmp_path, "serve", **settings, **at_once)
        finally:
            own_server.start()
        assert (answer.status, answer.body["database"]) == (503, "unreachable")
        until(lambda: log_lines(server.log, words))
        assert ready(server.port).status == 200
    assert (said["state"], words in said["message"]) == ("error", True)
    assert refused.returncode == 69
    assert len(log_lines(refused.stderr, words)) == 1


def test_a_database_that_is_not_there(
    own_server: postgres.Server, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": own_server.url("nowhere"), **SECRET}
    said = finding(tmp_path, "database", **settings)
    assert "has no database of the name in DATABASE_URL" in said["message"]


def test_a_database_that_is_not_migrated(database_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database_url, **SECRET}
    words = "The database is not migrated (0001, not "
    with Server(tmp_path, **settings) as server:
        assert ready(server.port).status == 200
        ask(database_url, "UPDATE alembic_version SET version_num = '0001'")
        answer = ready(server.port)
        assert (answer.status, words in answer.body["database"]) == (503, True)
        until(lambda: log_lines(server.log, words))
        assert len(log_lines(server.log, words)) == 1
    said = finding(tmp_path, "migrations", **settings)
    assert said["state"] == "error"
    assert words in said["message"]
    assert said["advice"] == "Run: careers-users db upgrade"
    refused = run(tmp_path, "serve", **settings)
    assert refused.returncode == 69
    assert len(log_lines(refused.stderr, words)) == 1


# -- The signing key -------------------------------------------------------------------


def test_a_weak_secret(sqlite_template: Path, tmp_path: Path) -> None:
    database = {"DATABASE_URL": f"sqlite:///{sqlite_template}"}
    short = {"CAREERS_USERS_JWT_SECRET_KEY": "too short", **database}
    refused = run(tmp_path, "serve", **short)
    assert refused.returncode == 78
    line = "CAREERS_USERS_JWT_SECRET_KEY: Shorter than 32 bytes; make one with: "
    assert len(log_lines(refused.stderr, line)) == 1
    assert line in finding(tmp_path, "settings", **short)["message"]
    assert "too short" not in refused.stderr

    for key in ("a" * 40, "changeme-" * 5):
        guessable = {"CAREERS_USERS_JWT_SECRET_KEY": key, **database}
        said = finding(tmp_path, "secret", **guessable)
        assert (said["state"], key in str(said)) == ("warning", False)
        with Server(tmp_path, **guessable) as server:
            answer = ready(server.port)
            # Everybody may ask this, so it is not told here.
            assert (answer.status, "signing" in str(answer.body)) == (200, False)
            assert len(log_lines(server.log, said["message"])) == 1
            assert key not in server.log


# -- The proxy -------------------------------------------------------------------------


def test_a_proxy_that_is_not_trusted(tmp_path: Path) -> None:
    with Server(tmp_path) as server, Client(server.port) as client:
        assert "warnings" not in ready(server.port).body
        for address in ("192.0.2.1", "192.0.2.2"):
            answer = ready(server.port, **{"X-Forwarded-For": address})
        assert answer.status == 200
        [warning] = answer.body["warnings"]
        assert "CAREERS_USERS_TRUSTED_PROXY" in warning
        until(lambda: log_lines(server.log, "Forwarding headers"))
        [line] = log_lines(server.log, "Forwarding headers")
        assert "set CAREERS_USERS_TRUSTED_PROXY=127.0.0.1" in line
        for number in range(10):
            assert client.register(f"user{number}").status == 201
    said = finding(tmp_path, "sign-ins")
    assert said["state"] == "warning"
    assert said["advice"] == "Set CAREERS_USERS_TRUSTED_PROXY=127.0.0.1 if it is one."

    trusted = {"CAREERS_USERS_TRUSTED_PROXY": "127.0.0.1"}
    with Server(tmp_path, **trusted) as server:
        answer = ready(server.port, **{"X-Forwarded-For": "192.0.2.1"})
        assert (answer.status, "warnings" in answer.body) == (200, False)
        assert log_lines(server.log, "Forwarding headers") == []


# -- The disk --------------------------------------------------------------------------


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


# -- The clock -------------------------------------------------------------------------


def shifted(hours: int) -> tuple[str, ...]:
    """The console command, with a clock that is off."""
    return (sys.executable, "-c", SHIFTED.format(hours=hours))


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_off(
    database_url: str, database_kind: str, tmp_path: Path, hours: int
) -> None:
    settings = {"DATABASE_URL": database_url, **SECRET}
    with Server(tmp_path, **settings) as server, Client(server.port) as client:
        assert client.register("alice").status == 201
        assert "Our clock" not in server.log
    words = f"s {'ahead of' if hours > 0 else 'behind'} the "
    command = shifted(hours)
    result = run(tmp_path, "check", "--json", command=command, **settings)
    found = {each["name"]: each for each in json.loads(result.stdout)["checks"]}[
        "clock"
    ]
    with Server(tmp_path, command=(*command, "serve"), **settings) as server:
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
