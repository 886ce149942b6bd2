"""`careers-users serve` and `python wsgi.py`: starts, refusals and stops."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from careers_users.settings import secret_file
from tests import in_process, live_server, postgres
from tests.conftest import KINDS
from tests.live_server import KEY, ROOT, Client, Server, run

WSGI = [sys.executable, str(ROOT / "wsgi.py")]
FLASK = [sys.executable, "-m", "flask"]
# The program of 8 processes at once; it loads one file of the package only, so that all
# are ready before the first one begins.
READ_OR_CREATE = f"""
import runpy, sys
from pathlib import Path
read_or_create = runpy.run_path({secret_file.__file__!r})["read_or_create"]
print("ready", flush=True)
sys.stdin.readline()
print(read_or_create(Path(sys.argv[1])))
"""
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
}


@pytest.fixture
def empty_database_url(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """Yield the URL of a database without any tables."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: postgres.Server = request.getfixturevalue("postgresql")
    yield server.create("empty")
    server.drop("empty")


def assert_refused(result: "subprocess.CompletedProcess[str]", *pieces: str) -> None:
    """Assert that a command ended with a sentence, and not with a traceback."""
    assert result.returncode not in (0, 1), result.stderr
    assert result.stderr.startswith("careers-users: "), result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    for piece in pieces:
        assert piece in result.stderr


# -- Without any settings --------------------------------------------------------------


def test_embedded_makes_what_it_needs_and_keeps_it(tmp_path: Path) -> None:
    with Server(tmp_path) as server, Client(server.port) as client:
        assert client.call("GET", "/health/live") == (200, {"status": "ok"})
        ready = {"status": "ok", "draining": False, "database": "ok"}
        assert client.call("GET", "/health/ready") == (200, ready)
        alice = client.register("alice")
        assert alice.status == 201
        assert server.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        assert "Traceback" not in server.log

    folder = tmp_path / "instance"
    names = {path.name for path in folder.iterdir()}
    assert names == {"careers_users.db", "jwt_secret_key"}
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "jwt_secret_key").stat().st_mode) == 0o600
        assert stat.S_IMODE((folder / "careers_users.db").stat().st_mode) == 0o600

    # The second start, by the checkout's own script: same data, same key.
    with Server(tmp_path, command=WSGI) as server, Client(server.port) as client:
        profile = client.call("GET", "me/", token=alice.body["access"])
        assert (profile.status, profile.body["username"]) == (200, "alice")
        assert server.stop() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_processes_close_their_files_when_they_stop(tmp_path: Path) -> None:
    with Server(tmp_path, "--processes", "2") as server:
        with Client(server.port) as client:
            assert client.register("alice").status == 201
            for _ in range(20):
                assert client.call("GET", "alice/").status == 200
        assert server.stop() == 0
    names = {path.name for path in (tmp_path / "instance").iterdir()}
    assert names == {"careers_users.db", "jwt_secret_key"}


def test_embedded_can_be_started_twice_at_the_same_moment(tmp_path: Path) -> None:
    with Server(tmp_path) as one, Server(tmp_path) as other:
        with Client(one.port) as here, Client(other.port) as there:
            token = here.register("alice").body["access"]
            assert there.call("GET", "me/", token=token).status == 200
            assert there.register("bob").status == 201
            assert here.call("GET", "bob/").status == 200
        assert (one.stop(), other.stop()) == (0, 0)


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    path = tmp_path / "new" / "jwt_secret_key"
    command = [sys.executable, "-c", READ_OR_CREATE, str(path)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(8)
    ]
    keys = set()
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            keys.add(process.communicate(timeout=live_server.PATIENCE)[0].strip())
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert keys == {path.read_text()}
    assert len(path.read_text()) >= secret_file.KEY_LENGTH


# -- With a DATABASE_URL ---------------------------------------------------------------


def test_a_database_is_refused_until_it_is_migrated(
    empty_database_url: str, tmp_path: Path, database_kind: str
) -> None:
    url = {"DATABASE_URL": empty_database_url}
    settings = {**url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    refused = run(tmp_path, "serve", **settings)
    assert_refused(refused, "The database is not migrated", "flask db upgrade")
    tables = live_server.ask(empty_database_url, TABLES[database_kind])
    assert tables == []

    # By the command of that sentence, in the checkout; migrating needs no key.
    upgraded = run(ROOT, "db", "upgrade", command=FLASK, **url)
    assert upgraded.returncode == 0, upgraded.stderr

    with Server(tmp_path, **settings) as server, Client(server.port) as client:
        assert client.register("alice").status == 201
        assert server.stop() == 0


def test_an_installed_package_migrates_without_a_checkout(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    result = in_process.run(tmp_path, "db", "upgrade", DATABASE_URL=url)
    assert result.returncode == 0, result.stderr
    assert "Migrated the database to revision" in result.stderr
    assert live_server.ask(url, "SELECT count(*) FROM users") == [(0,)]
    assert not (tmp_path / "instance").exists()


def test_a_database_without_a_key_is_refused(tmp_path: Path) -> None:
    result = in_process.run(
        tmp_path, "serve", DATABASE_URL=f"sqlite:///{tmp_path / 'a.db'}"
    )
    assert_refused(result, "CAREERS_USERS_JWT_SECRET_KEY must be set")
    assert list(tmp_path.iterdir()) == []


def test_a_database_out_of_reach_is_named_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as closed:
        # Bound, so that no other process gets the port, but not listening.
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        url = f"postgres://alice:sesame-open@{address}/careers"
        key = {"CAREERS_USERS_JWT_SECRET_KEY": KEY}
        at_once = {"CAREERS_USERS_DB_START_TIMEOUT": "0"}
        result = in_process.run(tmp_path, "serve", DATABASE_URL=url, **key, **at_once)
    assert_refused(result, address, "alice:***@", "can't be used")
    assert "sesame-open" not in result.stderr

    url = f"sqlite:///{tmp_path / 'missing' / 'a.db'}"
    result = in_process.run(tmp_path, "serve", DATABASE_URL=url, **key)
    assert_refused(result, "missing", "can't be used", "unable to open database file")


def test_a_database_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    if "postgresql" not in KINDS:
        return  # The file of SQLite is there or it is not.
    key = {"CAREERS_USERS_JWT_SECRET_KEY": KEY}
    (tmp_path / "postgresql").mkdir()
    with postgres.server(tmp_path / "postgresql") as late:
        url = late.create("late")
        assert (
            in_process.run(tmp_path, "db", "upgrade", DATABASE_URL=url).returncode == 0
        )
        no_such_role = url.replace("careers_users@", "nobody@")
        result = in_process.run(tmp_path, "serve", DATABASE_URL=no_such_role, **key)
        assert_refused(result, "can't be used")
        assert "Waiting" not in result.stderr

        late.stop()
        with Server(tmp_path, DATABASE_URL=url, **key) as server:
            live_server.until(lambda: "Waiting 30 s" in server.log)
            late.start()
            with Client(server.port) as client:
                assert client.register("alice").status == 201
            assert server.stop() == 0


# -- Wrong settings --------------------------------------------------------------------


def test_all_wrong_settings_are_reported_at_once(tmp_path: Path) -> None:
    wrong = {
        "DATABASE_URL": "mysql://alice:sesame-open@localhost/careers",
        "PORT": "eighty",
        "CAREERS_USERS_JWT_SECRET_KEY": "sesame-short",
        "CAREERS_USERS_PUBLIC_READS": "perhaps",
        "CAREERS_USERS_THREADS": "0",
        "CAREERS_USERS_DB_POOL_SIZE": "1.5",
        "CAREERS_USERS_TRUSTED_PROXY_HEADERS": "x-nonsense",
    }
    result = in_process.run(tmp_path, "serve", **wrong)
    assert_refused(result, "These settings are wrong:", *(f"  {n}: " for n in wrong))
    assert "sesame" not in result.stderr
    assert list(tmp_path.iterdir()) == []

    by_script = run(tmp_path, command=WSGI, **wrong)
    assert by_script.returncode != 0
    assert by_script.stderr == result.stderr


def test_a_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = run(tmp_path, "serve", "--port", port)
    assert f"careers-users: Port {port} on 127.0.0.1 is already in use" in result.stderr
    assert result.returncode not in (0, 1)
    assert "Traceback" not in result.stderr
