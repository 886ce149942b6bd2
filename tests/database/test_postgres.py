"""The tests' own PostgreSQL: found or started, restarted, and gone at the end."""

import importlib.util
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import postgres

pytestmark = pytest.mark.skipif(
    "postgresql" not in os.environ.get("CAREERS_USERS_TEST_DATABASES", "postgresql"),
    reason="CAREERS_USERS_TEST_DATABASES leaves PostgreSQL out",
)
ROOT = Path(postgres.__file__).parents[1]
KILLED = """
import sys, time
from pathlib import Path
from tests import postgres
with postgres.server(Path(sys.argv[1])) as server:
    print(server.admin, server.directory, flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    """Yield a server of these tests' own, which they may stop."""
    elsewhere = "TEST_DATABASE_URL" in os.environ
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TEST_DATABASE_URL", raising=False)
        try:
            with postgres.server(tmp_path_factory.mktemp("postgres")) as started:
                yield started
        except postgres.NoPostgres:
            if not elsewhere:
                raise
            pytest.skip("there are no programs here to start a server with")


def rows(url: str, statement: str) -> list[Any]:
    """Return the value that a statement returns."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_a_database_is_made_in_utf_8(server: postgres.Server) -> None:
    url = server.create("made")
    assert re.fullmatch(r"postgresql://careers_users@127\.0\.0\.1:\d+/made", url)
    assert url == server.url("made")
    assert rows(url, "SHOW server_encoding") == [("UTF8",)]
    assert rows(url, "SHOW server_version_num") == [(str(server.version),)]
    server.drop("made")
    with pytest.raises(psycopg.OperationalError, match='"made" does not exist'):
        psycopg.connect(url)
    server.drop("made")


def test_a_clone_has_the_rows_of_a_template_that_is_in_use(
    server: postgres.Server,
) -> None:
    source = server.create("source")
    with psycopg.connect(source, autocommit=True) as leftover:
        leftover.execute("CREATE TABLE letters AS SELECT 'a' AS letter")
        clone = server.create("clone", template="source")
        with pytest.raises(psycopg.OperationalError):
            leftover.execute("SELECT 1")
    with psycopg.connect(clone, autocommit=True) as user:
        user.execute("INSERT INTO letters VALUES ('b')")
        server.drop("clone")
        with pytest.raises(psycopg.OperationalError):
            user.execute("SELECT 1")
    assert rows(source, "SELECT letter FROM letters") == [("a",)]
    server.drop("source")


@pytest.mark.parametrize("source", ["auto", "system", "wheel"])
def test_pg_trgm_is_offered_if_it_can_be_made(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAREERS_USERS_TEST_POSTGRES", source)
    try:
        with postgres.server(tmp_path) as server:
            with psycopg.connect(server.create("trigrams")) as connection:
                try:
                    connection.execute("CREATE EXTENSION pg_trgm")
                    made = True
                except psycopg.errors.FeatureNotSupported:
                    made = False
            assert server.has_pg_trgm is made
    except postgres.NoPostgres:
        if source == "auto":
            raise
        pytest.skip(f"no PostgreSQL of this kind: {source}")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_ends_connections_and_keeps_the_address(
    server: postgres.Server, mode: Any
) -> None:
    before, url = server.pid, server.url("postgres")
    with psycopg.connect(url, autocommit=True) as old:
        server.restart(mode)
        with pytest.raises(psycopg.OperationalError):
            old.execute("SELECT 1")
    assert rows(url, "SELECT 1") == [(1,)]
    assert server.pid not in (None, before)
    assert server.url("postgres") == url


def test_a_setting_is_as_it_was_configured(server: postgres.Server) -> None:
    show = "SELECT current_setting('synchronous_commit'), current_setting('fsync')"
    assert rows(server.admin, show) == [("off", "off")]
    server.configure(synchronous_commit="on", work_mem="5MB")
    assert rows(server.admin, show) == [("on", "off")]
    assert rows(server.admin, "SHOW work_mem") == [("5MB",)]


def test_a_stopped_server_refuses_connections(server: postgres.Server) -> None:
    server.stop()
    assert server.pid is None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.admin)
    server.start()
    assert rows(server.admin, "SELECT 1") == [(1,)]


def test_a_port_that_is_taken_is_left_alone(
    server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = int(server.admin.rpartition(":")[2].partition("/")[0]) - 20000
    offers = iter([taken, taken, (taken + 1234) % 10000])
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(offers))
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    with postgres.server(tmp_path) as other:
        assert other.admin != server.admin
        assert rows(other.admin, "SELECT 1") == rows(server.admin, "SELECT 1")


@pytest.mark.usefixtures("server")
def test_a_failure_shows_what_the_server_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    monkeypatch.setattr(postgres, "SETTINGS", " -c no_such_setting=1")
    monkeypatch.setattr(postgres, "ATTEMPTS", 2)
    with (
        pytest.raises(RuntimeError, match='parameter "no_such_setting"'),
        postgres.server(tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_runs_already_is_left_as_it_was(
    server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.admin.replace("postgresql:", "postgresql+psycopg:")
    monkeypatch.delenv("CAREERS_USERS_TEST_POSTGRES", raising=False)
    monkeypatch.setenv("TEST_DATABASE_URL", f"{address}?connect_timeout=9")
    names = "SELECT datname FROM pg_database ORDER BY 1"
    before = rows(server.admin, names)
    with postgres.server(tmp_path) as found:
        url = found.create("kept")
        rows(found.create("copied", template="kept"), "SELECT 1")
        assert re.search(r"/careers_users_test_\w{8}_kept\?connect_timeout=9$", url)
        assert len(rows(server.admin, names)) == len(before) + 2
        assert found.pid is None
        for order in (found.start, found.stop, found.restart):
            with pytest.raises(RuntimeError, match="TEST_DATABASE_URL"):
                order()
    assert rows(server.admin, names) == before


def test_without_postgresql_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TEST_DATABASE_URL", "CAREERS_USERS_TEST_POSTGRES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "PLACES", [])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(postgres.NoPostgres) as raised, postgres.server(tmp_path):
        pass
    for hint in ("apt install postgresql", "brew", "'.[test]'", "TEST_DATABASE_URL"):
        assert hint in str(raised.value)
    assert "CAREERS_USERS_TEST_DATABASES=sqlite" in str(raised.value)


@pytest.mark.usefixtures("server")
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_a_server_ends_with_tests_that_are_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "TEST_DATABASE_URL"},
        text=True,
    ) as run:
        assert run.stdout is not None
        admin, directory = run.stdout.readline().split()
        assert rows(admin, "SELECT 1") == [(1,)]
        run.kill()
    deadline = time.monotonic() + 30
    while Path(directory).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(directory).exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(admin)
