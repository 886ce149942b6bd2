"""The real product in processes of its own: started, spoken to, stopped and killed."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import jwt
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from careers_users.settings.parsers import normalise_database_url
from careers_users.validation.limits import BASE_PATH
from tests import pgbouncer

ROOT = Path(__file__).resolve().parents[1]
KEY = "a signing key for served tests, nothing else"
EXPIRED = 1_700_000_000
PASSWORDS = {"password": "password123", "password_confirm": "password123"}
# Seconds until a test gives up, on a machine that is busy with other things.
PATIENCE = 60
# The console command, whether or not it is installed.
COMMAND = (sys.executable, "-c", "from careers_users.__main__ import main; main()")
SERVE = (*COMMAND, "serve")
# As our server says it, and others.
LISTENING = re.compile(r"(?:Listening|Running) (?:on|at:) http://127\.0\.0\.1:(\d+)")
OURS = re.compile(r"(CAREERS_USERS_|FLASK_|(DATABASE_(READ_)?URL|HOST|PORT)(_FILE)?$)")
SERVING = {  # Any free port; neither hashes nor limits are what these tests are about.
    "PORT": "0",
    "CAREERS_USERS_QUEUE_TIMEOUT": "30",
    "CAREERS_USERS_ARGON2_MEMORY_KIB": "7168",
    "CAREERS_USERS_ARGON2_TIME_COST": "1",
    "CAREERS_USERS_RATELIMIT_ENABLED": "false",
}
# As systemd starts a command: with the socket as descriptor 3, and the number of the
# process that the command becomes.
WITH_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""
# So that signals reach the server and its children, and no other process.
OWN_GROUP: dict[str, Any] = {"start_new_session": True}
if sys.platform == "win32":
    OWN_GROUP = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}

S = TypeVar("S")
T = TypeVar("T")


def expired(token: str) -> str:
    """Return a token of a server with KEY as it would be had it expired in 2023."""
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    times = {"iat": EXPIRED - 60, "exp": EXPIRED}
    return jwt.encode(claims | times, KEY, headers=header)


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment with these settings of ours, and no others."""
    rest = {name: os.environ[name] for name in os.environ if not OURS.match(name)}
    if pgbouncer.IS_ASKED_FOR:
        rest["CAREERS_USERS_DB_PGBOUNCER"] = "true"
    return {**rest, "PYTHONPATH": str(ROOT), **settings}


def run(
    folder: Path,
    *words: str,
    command: Sequence[str] = COMMAND,
    stdin: str | None = None,
    **settings: str,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; by default the console command."""
    options: dict[str, Any] = {"capture_output": True, "text": True}
    options |= {"cwd": folder, "env": environment(settings), "timeout": PATIENCE}
    options |= {"input": stdin}
    return subprocess.run([*command, *words], check=False, **options)


def on_socket(
    listener: socket.socket, command: Sequence[str] = SERVE
) -> tuple[str, ...]:
    """Return the command that serves on this socket, given as systemd does."""
    listener.set_inheritable(True)
    return (sys.executable, "-c", WITH_SOCKET, str(listener.fileno()), *command)


class Server:
    """A running server with all its processes."""

    def __init__(
        self, folder: Path, *words: str, command: Sequence[str] = SERVE, **settings: str
    ) -> None:
        env = environment(SERVING | settings)
        options = {"cwd": folder, "env": env, "stderr": subprocess.PIPE, **OWN_GROUP}
        options["close_fds"] = False  # Inheritable descriptors are meant for it.
        self._process = subprocess.Popen([*command, *words], text=True, **options)
        self._lines: list[str] = []
        self._port = 0
        self._decided = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._lines.append(line)
                if match := LISTENING.search(line):
                    self._port = int(match[1])
                    self._decided.set()
        self._decided.set()  # It is gone: waiting longer would not help.

    @property
    def port(self) -> int:
        """Return where it listens; waits until it does."""
        assert self._decided.wait(PATIENCE), "it neither listens nor ends"
        assert self._port, self.log
        return self._port

    @property
    def pid(self) -> int:
        """Return the id of the process that was started: of several, the parent."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Return what it has written to stderr until now."""
        return "".join(self._lines)

    def stop(self) -> int:
        """Ask it to stop, as a service manager does; return its exit code."""
        self._process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
        return self.wait()

    def kill(self) -> None:
        """End all its processes at once, without a chance to do anything."""
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait until it has ended; return its exit code."""
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()


class Reply(NamedTuple):
    """A reply: its status and what its JSON says."""

    status: int
    body: Any


class Client:
    """A connection that is kept alive, and speaks JSON.

    A reply of 500 or more is an error here: nothing these tests do excuses one.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, PATIENCE)

    def call(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> Reply:
        """Make a call; `path` is relative to the base path, or begins with a slash."""
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        url = path if path.startswith("/") else f"{BASE_PATH}/{path}"
        data = None if body is None else json.dumps(body)
        self._connection.request(method, url, data, headers)
        response = self._connection.getresponse()
        reply = Reply(response.status, json.loads(response.read()))
        assert reply.status < 500, reply
        return reply

    def register(self, username: str) -> Reply:
        """Register a user of that name."""
        body = {"username": username, "email": f"{username}@example.com", **PASSWORDS}
        return self.call("POST", "register/", body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def at_once(work: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Do the work on all items at the same moment; return the results in order."""
    barrier = threading.Barrier(len(items))

    def start(item: S) -> T:
        barrier.wait(PATIENCE)
        return work(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(start, items))


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def ask(url: str, statement: str) -> list[Any]:
    """Return what a database answers to a statement, past the product's queries."""
    engine = create_engine(normalise_database_url(url) or "", poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []


def wrong_counters(url: str) -> list[Any]:
    """Return the stored numbers that don't equal what they count: should be none."""
    users = (
        "SELECT username, followers_count, following_count FROM users"
        " LEFT JOIN user_counters ON user_id = users.id WHERE coalesce(followers_count,"
        " -1) <> (SELECT count(*) FROM follows WHERE following_id = users.id)"
        " OR coalesce(following_count, -1)"
        " <> (SELECT count(*) FROM follows WHERE follower_id = users.id)"
    )
    engine = create_engine(normalise_database_url(url) or "", poolclass=NullPool)
    # Triggers count the users since revision 0010, the service counted them before.
    counted = "user_totals" if inspect(engine).has_table("user_totals") else "totals"
    names = {column["name"] for column in inspect(engine).get_columns("users")}
    shown = " WHERE suspended_at IS NULL" if "suspended_at" in names else ""
    total = (
        f"SELECT * FROM (SELECT sum(value) AS value FROM {counted}) AS total"
        f" WHERE value <> (SELECT count(*) FROM users{shown})"
    )
    return ask(url, users) + ask(url, total)
