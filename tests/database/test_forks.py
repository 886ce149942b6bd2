"""An application made before a fork, as by `gunicorn --preload`, serves after it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.api import Api
from tests.conftest import KEY
from tests.live_server import PATIENCE, ROOT, environment, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")

# Prints a line for each process: the connections it has used in 200 reads.
FORKING = """
import json, os, sys, threading
from sqlalchemy import func, literal, select
from careers_users import create_app, database
from config import TestConfig

app = create_app(TestConfig(database_url=sys.argv[1], jwt_secret_key=sys.argv[2]))
assert threading.active_count() == 1, "making an application starts no thread"
seen = []

def used():
    with app.app_context():
        is_sqlite = database.is_sqlite()
        number = literal(0) if is_sqlite else func.pg_backend_pid()
        mine = database.Query(select(number.label("number")))
        for _ in range(200):
            mine.one()
            connection = database.reader().raw_connection()
            number = connection.driver_connection
            seen.append(id(number) if is_sqlite else number.info.backend_pid)
            connection.close()
    return sorted(set(seen))

before = used()
children = []
for _ in range(2):
    pid = os.fork()
    if not pid:
        seen.clear()
        sys.stdout.write(json.dumps([before, used()]) + "\\n")
        sys.stdout.flush()
        os._exit(0)
    children.append(pid)
after = used()
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0]
assert after == before, "the parent keeps its connection"
"""
CONFIGURATION = """
from sqlalchemy import text
from careers_users import database

def pre_fork(server, _worker):
    app = server.app.wsgi()
    with app.app_context():
        assert database.fetch(text("SELECT 1 AS one")) == [{"one": 1}]
"""


def test_a_forked_process_has_connections_of_its_own(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, database_url, KEY],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=environment({}),
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 2
    for parents, own in found:
        assert len(parents) == len(own) == 1
        assert parents != own


@contextmanager
def gunicorn(folder: Path, *words: str, **settings: str) -> Iterator[int]:
    """Serve with gunicorn, and give its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    log = (folder / "gunicorn.log").open("w+")
    command = ["-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *words, "wsgi:app"]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(settings),
        stdout=log,
        stderr=log,
    )
    try:
        until(lambda: get(port, "/health/ready")[0] == 200)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)
        log.seek(0)
        sys.stdout.write(log.read())
        log.close()
    assert process.returncode == 0


def get(port: int, path: str) -> tuple[int, Any]:
    """Return status and JSON of a reply; 0 where no process listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    except ConnectionRefusedError:
        return 0, None
    finally:
        connection.close()


def test_gunicorn_serves_what_it_has_loaded_before_its_fork(
    api: Api, database_url: str, tmp_path: Path
) -> None:
    names = [api.register(f"user{number}").username for number in range(4)]
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text(CONFIGURATION)
    words = ("--preload", "--workers=2", "--threads=4", f"--config={configuration}")
    settings = {"DATABASE_URL": database_url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}

    def read(number: int) -> bool:
        name = names[number % len(names)]
        status, profile = get(port, f"/careers/users/{name}/")
        return status == 200 and profile["username"] == name

    with gunicorn(tmp_path, *words, **settings) as port, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(200)))
