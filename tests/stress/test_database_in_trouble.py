"""Database in trouble. Read-only, full, locked by somebody else, out of connections."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from careers_users.settings.parsers import normalise_database_url
from tests import live_server, postgres
from tests.live_server import PASSWORDS, Server
from tests.stress.conftest import Serve
from tests.stress.faults import (
    assert_documented,
    assert_nothing_by_halves,
    order,
    readers,
    workers,
)
from tests.stress.load import Caller, Load, Outcome, Writer, assert_kept

LOCK_TIMEOUT = POOL_TIMEOUT = 1
# Seconds beyond a time limit in which its 503 must have come, on a busy machine.
MARGIN = 2
NEW_PASSWORDS = {"password": "password124", "password_confirm": "password124"}
# Another WSGI server than ours, which gives threads no thought.
WSGI = """
import sys
from waitress import create_server
from wsgi import app
server = create_server(app, host="127.0.0.1", port=0, threads=8)
print(f"Listening on http://127.0.0.1:{server.effective_port}", file=sys.stderr)
server.run()
"""


def prepare(port: int) -> str:
    """Register the star and a member; return the member's access token."""
    with Caller(port) as caller:
        assert caller.register("star").status == 201
        return str(caller.register("member").body["access"])


def assert_only_reads(port: int, token: str) -> None:
    """Hold: all kinds of writes are 503, all kinds of reads are served."""
    password = PASSWORDS["password"]
    writes: tuple[tuple[str, str, Any], ...] = (
        ("POST", "login/", {"username": "member", "password": password}),
        ("PATCH", "me/", {"bio": "Hello"}),
        ("POST", "follow/", {"username": "star"}),
        ("PUT", "star/follow/", None),
        ("POST", "me/password/", {"old_password": password, **NEW_PASSWORDS}),
        ("POST", "logout/all/", {}),
    )
    reads = ("", "star/", "star/followers/", "?search=star", "me/", "me/stats/")
    with Caller(port) as caller:
        assert_documented([caller.register("late")], 503)
        for method, path, body in writes:
            assert_documented([caller.call(method, path, body, token)], 503)
        for path in reads:
            assert_documented([caller.call("GET", path, token=token)], 200)


@contextmanager
def read_only(url: str, service: Server) -> Iterator[None]:
    """Nothing can be written: PostgreSQL says so, the files of SQLite refuse it."""
    if url.startswith("sqlite"):
        limits = resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE)
        pids = workers(service.pid)
        for pid in pids:
            resource.prlimit(pid, limits[0], (0, limits[1][1]))
        yield
        assert workers(service.pid) == pids
        for pid in pids:
            resource.prlimit(pid, *limits)
        return
    name = url.rpartition("/")[2]
    setting = f"ALTER DATABASE {name} SET default_transaction_read_only"
    disconnect = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    )
    order(url, f"{setting} = on", disconnect)
    yield
    order(
        url, "SET default_transaction_read_only = off", f"{setting} = off", disconnect
    )


def assert_back(port: int, token: str) -> None:
    """Hold: the same that could not be written now can be."""
    with Caller(port) as caller:
        assert_documented([caller.call("PATCH", "me/", {"bio": "Back"}, token)], 200)
        assert_documented([caller.register("late")], 201)


def since(load: Load, moment: float) -> list[Outcome]:
    """Return what became of the calls that were begun after a moment."""
    return [call for call in list(load.outcomes) if call.started > moment]


@pytest.mark.quick
def test_read_only(database_url: str, serve: Serve, figures: dict[str, str]) -> None:
    """While the database can only be read, writes are 503 with `Retry-After` and reads
    are served; as soon as it can be written again all are, without a restart."""
    service = serve(database_url)
    token = prepare(service.port)
    writers = [Writer(f"w{n}", "star") for n in range(2)]
    writing = Load(service.port, *writers, pause=0.005)
    with writing, Load(service.port, *readers("star", 2), pause=0.005) as reading:
        writing.wait_for(20, 201)
        with read_only(database_url, service):
            begun = time.monotonic()
            writing.wait_for(20, 503)
            reading.wait_for(20, 200)
            assert_only_reads(service.port, token)
            assert_documented(since(writing, begun), 503)
        writing.wait_for(20, 201)
    assert_back(service.port, token)
    assert_documented(reading.outcomes, 200)
    assert_documented(writing.outcomes, 200, 201, 503)
    assert "Traceback" not in service.log
    assert_kept(database_url, *writers)
    figures["writes refused"] = f"{writing.statuses()[503]:,}"
    figures["reads served"] = f"{len(reading.outcomes):,}"


@contextmanager
def small_disk(folder: Path, owner: Path) -> Iterator[Path]:
    """A file system with little room, which belongs to whom `owner` belongs to."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        pytest.skip(f"No small disk can be mounted here: {reason.strip()}")
    try:
        os.chown(folder, owner.stat().st_uid, owner.stat().st_gid)
        yield folder
    finally:
        # Lazily: what still runs may have files open on it.
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte of a disk free; return the file to delete to free it again."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65536))
    return ballast


@contextmanager
def on_small_disk(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Path, str]]:
    """A small disk and the URL of a database on it."""
    if kind == "sqlite":
        with small_disk(tmp_path / "small", tmp_path) as disk:
            shutil.copy(request.getfixturevalue("sqlite_template"), disk / "test.db")
            yield disk, f"sqlite:///{disk}/test.db"
        return
    own: postgres.Server = request.getfixturevalue("own_postgresql")
    with small_disk(own.directory / "small", own.directory) as disk:
        order(
            own.admin,
            f"CREATE TABLESPACE small LOCATION '{disk}'",
            "CREATE DATABASE small TEMPLATE template TABLESPACE small",
        )
        try:
            yield disk, own.url("small")
        finally:
            own.drop("small")
            order(own.admin, "DROP TABLESPACE small")


def test_disk_full(
    database_kind: str,
    tmp_path: Path,
    serve: Serve,
    figures: dict[str, str],
    request: pytest.FixtureRequest,
) -> None:
    """While the disk of the database is full, writes that need room are 503 with
    `Retry-After` and reads are served; as soon as there is room all are, without a
    restart, and nothing that was acknowledged is lost."""
    with on_small_disk(database_kind, tmp_path, request) as (disk, url):
        service = serve(url)
        prepare(service.port)
        writers = [Writer(f"w{n}", "star") for n in range(4)]
        writing = Load(service.port, *writers, pause=0.005)
        with writing, Load(service.port, *readers("star", 2), pause=0.005) as reading:
            writing.wait_for(20, 201)
            ballast = fill(disk)
            writing.wait_for(20, 503)
            reading.wait_for(20, 200)
            ballast.unlink()
            roomy = time.monotonic()
            writing.wait_for(20, 201)
        assert "has no room left to write" in service.log
        assert "Traceback" not in service.log
        assert_documented(reading.outcomes, 200)
        assert_documented(writing.outcomes, 200, 201, 503)
        assert_documented(since(writing, roomy), 200, 201)
        figures["writes refused"] = f"{writing.statuses()[503]:,}"
        figures["kept"] = f"{assert_kept(url, *writers):,}"
        assert_nothing_by_halves(url, *writers)
        service.kill()


@contextmanager
def locked(url: str, mode: str = "EXCLUSIVE") -> Iterator[None]:
    """Somebody else holds what writes need."""
    other = create_engine(normalise_database_url(url) or "", poolclass=NullPool)
    with other.connect() as connection:
        if url.startswith("sqlite"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            names = "users, user_counters, follows, refresh_tokens"
            connection.exec_driver_sql(f"LOCK TABLE {names} IN {mode} MODE")
        yield
        connection.rollback()


def register_at_once(port: int, prefix: str, count: int) -> list[Outcome]:
    """Let so many people register at the same moment."""

    def register(number: int) -> Outcome:
        with Caller(port) as caller:
            return caller.register(f"{prefix}_{number}")

    return live_server.at_once(register, range(count))


def change_at_once(port: int, token: str, count: int) -> list[Outcome]:
    """Let somebody change their profile so many times at the same moment."""

    def change(number: int) -> Outcome:
        with Caller(port) as caller:
            return caller.call("PATCH", "me/", {"bio": f"Version {number}"}, token)

    return live_server.at_once(change, range(count))


def test_locks_held_elsewhere(
    database_url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """A write that waits for a lock held by another program is 503 with `Retry-After`
    after the lock timeout; reads go on meanwhile, and no thread is stuck afterwards."""
    limit = {"CAREERS_USERS_DB_LOCK_TIMEOUT": str(LOCK_TIMEOUT)}
    service = serve(database_url, **limit)
    token = prepare(service.port)
    with locked(database_url):
        # Not more than one process has threads, whichever process they come to.
        early = change_at_once(service.port, token, 4)
        # And more than all have, so that some wait for a thread too.
        early_too = register_at_once(service.port, "early_too", 10)
        with Caller(service.port) as caller:
            reads = [caller.call("GET", path) for path in ("", "star/", "?search=star")]
    assert_documented([*early, *early_too], 503)
    assert_documented(reads, 200)
    slowest = max(call.seconds for call in early)
    assert slowest < LOCK_TIMEOUT + MARGIN
    if not database_url.startswith("sqlite"):
        with locked(database_url, "ACCESS EXCLUSIVE"), Caller(service.port) as caller:
            assert_documented([caller.call("GET", "star/")], 503)
    assert_documented(register_at_once(service.port, "after", 24), 201)
    assert "Traceback" not in service.log
    figures["lock timeout"] = f"{LOCK_TIMEOUT} s"
    figures["slowest 503"] = f"{slowest:.2f} s"


def test_pool_smaller_than_asked_for(database_url: str, serve: Serve) -> None:
    """However small `CAREERS_USERS_DB_POOL_SIZE` is, `careers-users serve` has a
    connection for each thread: reads go on beside writes that wait for a lock."""
    service = serve(database_url, "--processes", "1", CAREERS_USERS_DB_POOL_SIZE="1")
    prepare(service.port)
    with ThreadPoolExecutor() as pool:
        with locked(database_url):
            waiting = pool.submit(register_at_once, service.port, "waiting", 3)
            with Caller(service.port) as caller:
                reads = [caller.call("GET", "") for _ in range(20)]
            assert not waiting.done()
        assert_documented(waiting.result(), 201)
    assert_documented(reads, 200)


def until_refused(caller: Caller) -> Outcome:
    """Read until that is refused, and return how."""
    reads: list[Outcome] = []

    def is_refused() -> bool:
        reads.append(caller.call("GET", ""))
        return reads[-1].status != 200

    live_server.until(is_refused)
    return reads[-1]


def test_pool_exhausted(
    database_url: str, tmp_path: Path, figures: dict[str, str]
) -> None:
    """Under another WSGI server, with fewer connections than threads, a call that gets
    none within the pool timeout is 503 with `Retry-After`; all are served once some are
    free, and the health checks all the time."""
    settings = {
        "DATABASE_URL": database_url,
        "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY,
        "CAREERS_USERS_DB_POOL_SIZE": "2",
        "CAREERS_USERS_DB_POOL_TIMEOUT": str(POOL_TIMEOUT),
        "CAREERS_USERS_DB_LOCK_TIMEOUT": "30",
    }
    command = (sys.executable, "-c", WSGI)
    with (
        Server(tmp_path, command=command, **settings) as service,
        Caller(service.port) as caller,
        ThreadPoolExecutor() as pool,
    ):
        assert caller.call("GET", "").status == 200
        with locked(database_url):
            holding = pool.submit(register_at_once, service.port, "holder", 2)
            refused = until_refused(caller)
            healthy = [caller.call("GET", f"/health/{n}") for n in ("live", "ready")]
            assert not holding.done()
        assert_documented([refused], 503)
        assert POOL_TIMEOUT <= refused.seconds < POOL_TIMEOUT + MARGIN
        assert_documented(healthy, 200)
        assert_documented(holding.result(), 201)
        assert_documented(register_at_once(service.port, "after", 16), 201)
    assert "Traceback" not in service.log
    figures["pool timeout"] = f"{POOL_TIMEOUT} s"
    figures["503 after"] = f"{refused.seconds:.2f} s"
