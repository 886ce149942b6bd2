"""Database in trouble. Read-only, full, locked by another, out of connections."""

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.live_server import PASSWORDS, Server
from tests.stress.conftest import Serve
from tests.stress.faults import (
    assert_documented,
    assert_nothing_by_halves,
    order,
    prepare,
    readers,
    workers,
)
from tests.stress.load import Caller, Load, Outcome, Writer, assert_kept

NEW_PASSWORDS = {"password": "password124", "password_confirm": "password124"}


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
    """Yield a file system with little room, of the same owner as `owner`."""
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
    """Yield a small disk and the URL of a database on it."""
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
