"""Debian's PgBouncer with our example file, in front of the tests' PostgreSQL.

With CAREERS_USERS_TEST_PGBOUNCER=1 every test that serves a PostgreSQL database goes
through it. Addresses in `deploy/ha/pgbouncer.ini` are changed, and roles need no
passwords here.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests import postgres
from tests.deploy import programs

EXAMPLE = Path(__file__).resolve().parents[1] / "deploy/ha/pgbouncer.ini"
IS_ASKED_FOR = bool(os.environ.get("CAREERS_USERS_TEST_PGBOUNCER"))
ATTEMPTS = 20  # to find a free port
PATIENCE = 30
# The settings that deploy/postgresql.sql gives the role that serves.
LIMITS = ("jit = off", "lock_timeout = '5s'", "statement_timeout = '30s'")
# Ends PgBouncer at the end of the tests, or of their process, and cleans up after that.
GUARD = """import json, shutil, subprocess, sys
command, options, directory = json.loads(sys.argv[1])
bouncer = subprocess.Popen(command, stdin=-3, stdout=-3, stderr=-3, **options)
ending = sys.stdin.readline()
bouncer.kill()
bouncer.wait()
if not ending:
    shutil.rmtree(directory, ignore_errors=True)"""


def header() -> list[str]:
    """Return the line of pytest's header that says what tests go through, if any."""
    return ["PostgreSQL: through PgBouncer in transaction mode"] if IS_ASKED_FOR else []


def if_asked_for(server: postgres.Server) -> AbstractContextManager[None]:
    """Put a PgBouncer in front of a server if this run is to go through one."""
    return in_front_of(server) if IS_ASKED_FOR else nullcontext()


def configuration(home: Path, server: postgres.Server, port: int, size: int) -> str:
    """Return the example file for a server, with all its paths in `home`."""
    text = EXAMPLE.read_text("utf-8")
    backend = urlsplit(server.admin).port
    for old, new in (
        ("host=127.0.0.1 port=5432", f"host=127.0.0.1 port={backend}"),
        ("listen_port = 6432", f"listen_port = {port}"),
        ("default_pool_size = 20", f"default_pool_size = {size}"),
        ("auth_type = scram-sha-256", "auth_type = trust\nauth_user = careers_users"),
        ("/etc/pgbouncer/userlist.txt", f"{home}/userlist.txt"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return f"{text}logfile = {home}/log\npidfile = {home}/pid\n"


@contextmanager
def in_front_of(server: postgres.Server, size: int = 20) -> Iterator[None]:
    """Let a PgBouncer stand in front of the tests' own server meanwhile.

    It has `size` connections for each database.
    """
    assert server.programs is not None, "the server of TEST_DATABASE_URL is not ours"
    before = server.bouncer
    _alter_role(server, *(f"SET {limit}" for limit in LIMITS))
    home = Path(tempfile.mkdtemp(prefix="careers-users-pgbouncer-", dir="/tmp"))
    (home / "userlist.txt").write_text('"careers_users" ""\n')
    try:
        guard, server.bouncer = _start(home, server, size)
        try:
            yield
        finally:
            server.bouncer = before
            guard.communicate(b"\n", timeout=PATIENCE)
    finally:
        shutil.rmtree(home)
        if before is None:
            _alter_role(server, "RESET ALL")


def _alter_role(server: postgres.Server, *orders: str) -> None:
    with psycopg.connect(server.admin, autocommit=True) as connection:
        for order in orders:
            connection.execute(f"ALTER ROLE careers_users {order}".encode())


def _start(
    home: Path, server: postgres.Server, size: int
) -> tuple["subprocess.Popen[bytes]", int]:
    command = [programs.path("pgbouncer"), str(home / "pgbouncer.ini")]
    arguments = json.dumps([command, server.options, str(home)])
    for _ in range(ATTEMPTS):
        port = 20000 + secrets.randbelow(10000)
        text = configuration(home, server, port, size)
        (home / "pgbouncer.ini").write_text(text)
        (home / "log").write_text("")
        if server.options:
            for path in (home, *home.iterdir()):
                os.chown(path, server.options["user"], server.options["group"])
        guard = subprocess.Popen(
            [sys.executable, "-ISc", GUARD, arguments],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        if _listens(home / "log"):
            return guard, port
        guard.communicate(b"\n", timeout=PATIENCE)
    raise AssertionError((home / "log").read_text())


def _listens(log: Path) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        said = log.read_text()
        if "process up" in said:
            return True
        if re.search(r"FATAL|ERROR", said):
            return False
        time.sleep(0.02)
    raise AssertionError("PgBouncer neither listens nor says why not")
