"""A server of a small application, to be spoken to over real sockets."""

import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from careers_users.server import runner
from careers_users.server.worker import SETTLE_SECONDS
from tests.server.small_app import APP

PACKAGE = Path(runner.__file__).parent.parent
PATIENCE = 20  # Seconds until a test gives up; nothing here should take a tenth of it.
LIMIT = 4096  # Bytes, the body limit of the servers under test.
HEADER_LIMIT = 8192
LISTENING = re.compile(
    r"Listening on http://127\.0\.0\.1:(\d+) \((\d+) process(?:es)?, (\d+) threads?"
)

needs_posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


class Running:
    """One server under test, in a process of its own."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self.folder = folder
        script = folder / "serve.py"
        script.write_text(APP)
        self.lines: list[str] = []
        self._news: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, str(script), json.dumps(options), str(PACKAGE)],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.port = 0

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._news.put(line)
        self._news.put(None)

    def sees(
        self, pattern: str | re.Pattern[str], seconds: float
    ) -> re.Match[str] | None:
        """Look for a log line among those that were not looked at before."""
        deadline = time.monotonic() + seconds
        with suppress(queue.Empty):
            while line := self._news.get(timeout=max(0, deadline - time.monotonic())):
                self.lines.append(line)
                if match := re.search(pattern, line):
                    return match
        return None

    def wait_for(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """Wait for such a line."""
        match = self.sees(pattern, PATIENCE)
        assert match, f"no {pattern!r} in:\n{self.log()}"
        return match

    def listening(self) -> "Running":
        """Wait until the server says where it listens."""
        self.port = int(self.wait_for(LISTENING)[1])
        return self

    def exit_code(self) -> int:
        """Wait until the process is gone and its log read."""
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        while not self._news.empty():
            self.lines.append(self._news.get() or "")
        return code

    def log(self) -> str:
        return "".join(self.lines)

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def refuses(self) -> bool:
        """Return whether no process listens on the port any more."""
        try:
            self.connect().close()
        except OSError:
            return True
        return False

    def get(self, path: str, headers: dict[str, str] | None = None) -> "Reply":
        with self.connect() as sock:
            lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
            head = [f"GET {path} HTTP/1.1", "Host: x", *lines, "", ""]
            sock.sendall("\r\n".join(head).encode())
            return read_reply(sock)

    def raw(self, data: bytes) -> "Reply":
        with self.connect() as sock:
            sock.sendall(data)
            return read_reply(sock)

    def release(self) -> None:
        (self.folder / "release").touch()


class Reply:
    """A reply, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.body = response.read()
        self.status = response.status
        self.headers = response.headers

    def json(self) -> Any:
        return json.loads(self.body)


def read_reply(sock: socket.socket) -> Reply:
    response = http.client.HTTPResponse(sock)
    response.begin()
    return Reply(response)


def until(condition: Callable[[], Any]) -> Any:
    """Wait until `condition` holds, and return what it returned."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return result


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # An orphan whose new parent does not collect it is as gone as it gets.
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


def options(**changes: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": 0,
        "processes": 1,
        "threads": 4,
        "hashes_at_once": 2,
        "queue_timeout": 60,
        "connection_limit": 100,
        "max_request_body_size": LIMIT,
        "max_request_header_size": HEADER_LIMIT,
        "channel_timeout": 30,
        "trusted_proxy": [],
        "trusted_proxy_count": 1,
        "trusted_proxy_headers": ["x-forwarded-for", "x-forwarded-proto"],
        "drain_timeout": 15,
        "docs": False,
        "cors_origins": [],
        "settle": SETTLE_SECONDS,
        **changes,
    }


def end(server: Running) -> None:
    """Kill what is left of a server: its process group is its own."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
    else:
        server.process.kill()
    server.process.wait(PATIENCE)
    server.reader.join(PATIENCE)
    assert server.process.stderr
    server.process.stderr.close()


Launch = Callable[..., Running]


def assert_refused(reply: Reply, status: int, code: str) -> None:
    """Assert that a reply is a refusal in the documented form."""
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Content-Security-Policy"] == "default-src 'none'"
    assert {"Server", "Via"}.isdisjoint(reply.headers)
    assert b"script" not in reply.body
    body = reply.json()
    assert set(body) == {"error", "code", "details"}
    assert body["code"] == code
    assert all(isinstance(value, str) and value for value in body.values())
