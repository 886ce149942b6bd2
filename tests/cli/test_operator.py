"""Messages to an operator when something is wrong around the service.

For each fault: by `careers-users check`, by /health/ready, and by one log line.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.cli.told import SECRET, finding, log_lines, ready, ready_with
from tests.conftest import KINDS, migrate
from tests.in_process import run
from tests.live_server import Client, Server, ask, until


@pytest.fixture(scope="module")
def own_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[postgres.Server]:
    """Yield a PostgreSQL server of these tests' own, to be locked and stopped."""
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
        answer = ready_with(server.port, 503)
        assert answer.body["database"] == "access denied"
        until(lambda: log_lines(server.log, words))
        assert "sesame" not in server.log


def test_a_database_that_is_down(own_server: postgres.Server, tmp_path: Path) -> None:
    words = "The database can't be reached: check that it runs"
    settings = {"DATABASE_URL": own_server.url("careers"), **SECRET}
    with Server(tmp_path, **settings) as server:
        assert ready(server.port).status == 200
        own_server.stop()
        try:
            answer = ready_with(server.port, 503)
            said = finding(tmp_path, "database", **settings)
            at_once = {"CAREERS_USERS_DB_START_TIMEOUT": "0"}
            refused = run(tmp_path, "serve", **settings, **at_once)
        finally:
            own_server.start()
        assert answer.body["database"] == "unreachable"
        until(lambda: log_lines(server.log, words))
        assert ready_with(server.port, 200).body["database"] == "ok"
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
        answer = ready_with(server.port, 503)
        assert words in answer.body["database"]
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


# -- The clock -------------------------------------------------------------------------
