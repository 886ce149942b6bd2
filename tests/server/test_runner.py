"""The runner, over real sockets: refusals, forwarded addresses, stops, processes."""

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
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from careers_users import server as runner
from careers_users.worker import SETTLE

PACKAGE = Path(runner.__file__).parent
PATIENCE = 20  # Seconds until a test gives up; nothing here should take a tenth of it.
LIMIT = 4096  # Bytes, the body limit of the servers under test.
HEADER_LIMIT = 8192
LISTENING = re.compile(
    r"Listening on http://127\.0\.0\.1:(\d+) \((\d+) process(?:es)?, (\d+) threads?"
)

needs_posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

APP = """
import json, logging, os, signal, sys, threading, time
from pathlib import Path
from types import ModuleType, SimpleNamespace

from flask import Flask, jsonify, request

# The runner alone; the rest of the package takes a second to import.
package = sys.modules["careers_users"] = ModuleType("careers_users")
package.__path__ = [sys.argv[2]]

from careers_users import server, worker
from careers_users.draining import draining

options = json.loads(sys.argv[1])
worker.SETTLE = options.pop("settle")
options["trusted_proxy_headers"] = frozenset(options["trusted_proxy_headers"])
folder = Path(__file__).parent
say = logging.getLogger("test").warning


def make_app():
    if (folder / "broken").exists():
        raise RuntimeError("no database for the test")
    if (folder / "short-lived").exists():
        threading.Timer(0.2, os._exit, [9]).start()
    app = Flask(__name__)

    @app.route("/", methods=["GET", "POST"])
    def root():
        return jsonify(pid=os.getpid(), size=len(request.get_data()))

    @app.get("/ip")
    def ip():
        seen = [name for name in request.headers.keys() if "Forwarded" in name]
        return jsonify(ip=request.remote_addr, scheme=request.scheme, seen=seen)

    @app.get("/slow")
    def slow():
        say("slow begins")
        time.sleep(float(request.args["s"]))
        return jsonify(pid=os.getpid())

    @app.get("/hold")
    def hold():
        say("hold begins")
        while not (folder / "release").exists():
            time.sleep(0.01)
        return jsonify(pid=os.getpid())

    @app.get("/ready")
    def ready():
        return jsonify(draining=draining.is_set())

    inner = app.wsgi_app

    def crashing(environ, start_response):
        if environ["PATH_INFO"] == "/crash":
            raise OSError("<script>")
        return inner(environ, start_response)

    app.wsgi_app = crashing
    return app


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
try:
    sys.exit(server.run(SimpleNamespace(**options), make_app))
except server.ServerError as error:
    print(f"ServerError: {error}", file=sys.stderr)
    sys.exit(3)
"""


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
        """Look for a log line among those that nobody has looked at before."""
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
        """Whether nobody listens on the port any more."""
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
    """What came back, read to its end."""

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
    # An orphan whose new parent doesn't bury it is as gone as it gets.
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


def options(**changes: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": 0,
        "processes": 1,
        "threads": 4,
        "connection_limit": 100,
        "max_request_body_size": LIMIT,
        "max_request_header_size": HEADER_LIMIT,
        "channel_timeout": 30,
        "trusted_proxy": None,
        "trusted_proxy_count": 1,
        "trusted_proxy_headers": ["x-forwarded-for", "x-forwarded-proto"],
        "drain_timeout": 15,
        "cors_origins": [],
        "settle": SETTLE,
        **changes,
    }


Launch = Callable[..., Running]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start a server with the given settings; it ends with the test."""
    started: list[Running] = []

    def start(**changes: Any) -> Running:
        started.append(Running(tmp_path, options(**changes)))
        return started[-1]

    yield start
    for server in started:
        end(server)


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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server for the tests that leave it as it was."""
    running = Running(tmp_path_factory.mktemp("shared"), options())
    try:
        yield running.listening()
    finally:
        end(running)


# -- Start -----------------------------------------------------------------------------


def test_says_where_it_listens_and_serves_there(server: Running) -> None:
    match = LISTENING.search(server.log())
    assert match
    assert match.groups() == (str(server.port), "1", "4")
    reply = server.get("/")
    assert (reply.status, reply.json()["pid"]) == (200, server.pid)
    assert {"Server", "Via"}.isdisjoint(reply.headers)
    assert "Connection" not in reply.headers


def test_names_an_ipv6_address_in_brackets(launch: Launch) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    running = launch(host="::", threads=1)
    match = running.wait_for(r"http://\[::\]:(\d+) \(1 process, 1 thread each\)")
    running.port = int(match[1])
    assert running.get("/ip").json()["ip"] == "127.0.0.1"


def test_a_port_in_use_is_a_sentence(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        running = launch(port=port)
        assert running.exit_code() == 3
    assert f"ServerError: Port {port} on 127.0.0.1 is already in use" in running.log()
    assert "Traceback" not in running.log()


def never() -> NoReturn:
    raise AssertionError("the application was made, though nobody can reach it")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"host": "no.such.host.invalid"}, "There is no host 'no.such.host.invalid'"),
        ({"host": "." * 100}, "There is no host"),
        ({"host": "192.0.2.1"}, "192.0.2.1 is no address of this machine"),
        (
            {"trusted_proxy": "*", "trusted_proxy_headers": ["x-nonsense"]},
            "Correct the settings of the proxy",
        ),
    ],
)
def test_what_it_cannot_use_is_a_sentence(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(runner.ServerError, match=re.escape(sentence)):
        runner.run(SimpleNamespace(**options(**changes)), never)


def test_several_processes_need_a_system_that_forks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "fork", raising=False)
    with pytest.raises(runner.ServerError, match="several instances"):
        runner.run(SimpleNamespace(**options(processes=2)), never)


# -- Refusals --------------------------------------------------------------------------

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def chunks(size: int, each: int) -> bytes:
    return b"%x\r\n%b\r\n" % (each, b"x" * each) * (size // each)


def assert_refused(reply: Reply, status: int, code: str) -> None:
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


@pytest.mark.parametrize(
    "data",
    [
        b"<script>alert(1)</script>\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n<script>: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n<script>\r\n\r\n",
        b"GET http://[<script>/ HTTP/1.1\r\nHost: x\r\n\r\n",
        POST + b"Content-Length: <script>\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        POST + b"Content-Length: 1" + b"0" * 4400 + b"\r\n\r\n",
        POST + b"Expect: 100-continue\r\nContent-Length: x\r\n\r\n",
        CHUNKED + b"<script>\r\n",
        CHUNKED + b"2\r\nxxx\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_malformed_requests(server: Running, data: bytes) -> None:
    assert_refused(server.raw(data), 400, "malformed_request")


def test_an_unknown_transfer_encoding(server: Running) -> None:
    reply = server.raw(POST + b"Transfer-Encoding: <script>\r\n\r\n")
    assert_refused(reply, 501, "not_implemented")


def test_oversized_headers(server: Running) -> None:
    data = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * HEADER_LIMIT + b"\r\n\r\n"
    assert_refused(server.raw(data), 431, "headers_too_large")


def test_an_application_that_breaks(server: Running) -> None:
    assert_refused(server.get("/crash"), 500, "internal_error")


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Content-Length: %d\r\n\r\n" % (LIMIT + 1) + b"x" * (LIMIT + 1),
        POST + b"Content-Length: 9999999999\r\n\r\n",
        CHUNKED + chunks(LIMIT, LIMIT) + b"1\r\nx\r\n0\r\n\r\n",
        CHUNKED + chunks(LIMIT + 1, 1) + b"0\r\n\r\n",
        CHUNKED + b"0" * 16 * LIMIT,
    ],
)
def test_oversized_bodies(server: Running, data: bytes) -> None:
    assert_refused(server.raw(data), 413, "payload_too_large")


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Content-Length: %d\r\n\r\n" % LIMIT + b"x" * LIMIT,
        CHUNKED + chunks(LIMIT, LIMIT) + b"0\r\n\r\n",
        CHUNKED + chunks(LIMIT, 1) + b"0\r\n\r\n",
    ],
)
def test_a_body_of_exactly_the_limit(server: Running, data: bytes) -> None:
    reply = server.raw(data)
    assert (reply.status, reply.json()["size"]) == (200, LIMIT)


def test_who_sends_far_too_much_still_reads_why(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, PATIENCE)
    connection.request("POST", "/", body=b"x" * 8_000_000)
    assert_refused(Reply(connection.getresponse()), 413, "payload_too_large")
    connection.close()


def test_nobody_is_told_to_continue_with_what_will_be_refused(server: Running) -> None:
    expect = POST + b"Expect: 100-continue\r\n"
    reply = server.raw(expect + b"Content-Length: %d\r\n\r\n" % (LIMIT + 1))
    assert_refused(reply, 413, "payload_too_large")
    assert server.raw(expect + b"\r\n").json()["size"] == 0
    with server.connect() as sock:
        sock.sendall(expect + b"Content-Length: 3\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert read_reply(sock).json()["size"] == 3


def test_who_never_finishes_is_cut_off(launch: Launch) -> None:
    running = launch(channel_timeout=1).listening()
    with running.connect() as idle, running.connect() as trickle:
        trickle.sendall(b"GET / HT")
        trickle.settimeout(0.1)

        def is_cut_off() -> bool:
            try:
                trickle.sendall(b"T")
                return trickle.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        until(is_cut_off)
        assert idle.recv(1) == b""
    assert running.get("/").status == 200


# -- Proxies ---------------------------------------------------------------------------

FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


def test_forwarded_headers_are_dropped_without_a_proxy(server: Running) -> None:
    headers = {**FORWARDED, "Forwarded": "for=203.0.113.7;proto=https"}
    reply = server.get("/ip", headers)
    assert reply.json() == {"ip": "127.0.0.1", "scheme": "http", "seen": []}
    assert "WARNING" not in server.log()


def test_forwarded_headers_of_the_trusted_proxy(launch: Launch) -> None:
    running = launch(trusted_proxy="127.0.0.1").listening()
    reply = running.get("/ip", {**FORWARDED, "X-Forwarded-Host": "evil.example"}).json()
    assert (reply["ip"], reply["scheme"]) == ("203.0.113.7", "https")
    assert "X-Forwarded-Host" not in reply["seen"]
    # Of a list, only the proxy's own entry counts: the client wrote the others.
    listed = {"X-Forwarded-For": "198.51.100.1, 2001:db8::1"}
    assert running.get("/ip", listed).json()["ip"] == "2001:db8::1"
    for nonsense in ("<script>", ":80", '"'):
        reply = running.get("/ip", {"X-Forwarded-For": nonsense})
        assert_refused(reply, 400, "malformed_request")
    refused = running.get("/ip", {"X-Forwarded-Proto": "<script>"})
    assert_refused(refused, 400, "malformed_request")


def test_forwarded_headers_of_somebody_else(launch: Launch) -> None:
    running = launch(trusted_proxy="192.0.2.1").listening()
    reply = running.get("/ip", FORWARDED)
    assert reply.json() == {"ip": "127.0.0.1", "scheme": "http", "seen": []}


# -- Stops -----------------------------------------------------------------------------


def keep_alive(server: Running, stack: ExitStack) -> http.client.HTTPConnection:
    """A connection that has been used, and may be used again."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, PATIENCE)
    stack.callback(connection.close)
    connection.request("GET", "/ready")
    assert json.loads(connection.getresponse().read()) == {"draining": False}
    return connection


@needs_posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_loses_nothing(launch: Launch, number: int) -> None:
    running = launch(threads=1).listening()
    with ExitStack() as stack:
        lingering, prompt = keep_alive(running, stack), keep_alive(running, stack)
        asked = [stack.enter_context(running.connect()) for _ in range(6)]
        asked[0].sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        running.wait_for("hold begins")
        for sock in asked[1:]:
            sock.sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        prompt.request("GET", "/ready")

        running.send_signal(number)
        until(running.refuses)
        lingering.request("GET", "/ready")  # After the signal, on an old connection.
        running.release()

        replies = [read_reply(sock) for sock in asked]
        for connection in (prompt, lingering):
            replies.append(Reply(connection.getresponse()))
            assert replies[-1].json() == {"draining": True}
        assert [reply.status for reply in replies] == [200] * 8
        assert {reply.headers["Connection"] for reply in replies} == {"close"}
        assert running.exit_code() == 0
    assert "ERROR" not in running.log()
    assert "WARNING waitress" not in running.log()


@needs_posix
def test_a_stop_answers_pipelined_requests(launch: Launch) -> None:
    running = launch(threads=1).listening()
    with running.connect() as sock:
        hold = b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
        sock.sendall(hold + hold.replace(b"hold", b"ready") * 2)
        running.wait_for("hold begins")
        running.send_signal(signal.SIGTERM)
        until(running.refuses)
        running.release()
        received = b""
        while data := sock.recv(65536):
            received += data
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.count(b"Connection: close") == 1
    assert running.exit_code() == 0


@needs_posix
def test_a_stop_waits_for_requests_on_the_wire(launch: Launch) -> None:
    running = launch(settle=2).listening()
    with ExitStack() as stack:
        connection = keep_alive(running, stack)
        running.send_signal(signal.SIGTERM)
        until(running.refuses)
        connection.request("GET", "/ready")
        assert Reply(connection.getresponse()).json() == {"draining": True}
    assert running.exit_code() == 0


@needs_posix
def test_a_stop_lets_in_who_waits_at_the_door(launch: Launch) -> None:
    running = launch(threads=1, connection_limit=4).listening()
    with ExitStack() as stack:
        asked = [stack.enter_context(running.connect()) for _ in range(6)]
        for sock in asked:
            sock.sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        running.wait_for("no longer accepting new connections")
        running.send_signal(signal.SIGTERM)
        until(running.refuses)
        running.release()
        assert [read_reply(sock).status for sock in asked] == [200] * 6
    assert running.exit_code() == 0


@needs_posix
def test_an_idle_server_stops_soon(launch: Launch) -> None:
    running = launch().listening()
    with ExitStack() as stack:
        keep_alive(running, stack)
        half_sent = stack.enter_context(running.connect())
        half_sent.sendall(b"GET / HT")
        begun = time.monotonic()
        running.send_signal(signal.SIGTERM)
        assert running.exit_code() == 0
        assert time.monotonic() - begun < 10
    assert "Cut off" not in running.log()


@needs_posix
def test_a_stop_is_bounded(launch: Launch) -> None:
    running = launch(drain_timeout=1).listening()
    with running.connect() as sock:
        sock.sendall(b"GET /slow?s=15 HTTP/1.1\r\nHost: x\r\n\r\n")
        running.wait_for("slow begins")
        begun = time.monotonic()
        running.send_signal(signal.SIGTERM)
        assert running.exit_code() == 0
        assert time.monotonic() - begun < 8
    assert "Cut off 1 unanswered request(s) after 1 s" in running.log()


@needs_posix
@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=needs_fork)])
def test_a_second_signal_ends_it_at_once(launch: Launch, processes: int) -> None:
    running = launch(processes=processes).listening()
    with running.connect() as sock:
        sock.sendall(b"GET /slow?s=15 HTTP/1.1\r\nHost: x\r\n\r\n")
        running.wait_for("slow begins")
        begun = time.monotonic()
        running.send_signal(signal.SIGINT)
        until(running.refuses)
        running.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 128 + signal.SIGTERM
        assert time.monotonic() - begun < 8


# -- Processes -------------------------------------------------------------------------


def all_pids(server: Running, count: int, without: int = 0) -> set[int]:
    """The processes that answer, once they are `count` and none is `without`."""
    pids: set[int] = set()

    def enough() -> bool:
        # Held together, so that a busy process leaves some of them to the other.
        with ThreadPoolExecutor(8) as pool:
            for reply in pool.map(lambda _: server.get("/slow?s=0.02"), range(16)):
                pids.add(reply.json()["pid"])
        return len(pids - {without}) >= count

    until(enough)
    return pids - {without}


@needs_fork
@pytest.mark.parametrize("number", ["SIGTERM", "SIGKILL"])
def test_both_processes_serve_and_a_dead_one_is_replaced(
    launch: Launch, number: str
) -> None:
    running = launch(processes=2, threads=1).listening()
    assert "(2 processes, 1 thread each)" in running.log()
    first = all_pids(running, 2)
    assert len(first) == 2
    assert running.pid not in first
    victim = min(first)
    os.kill(victim, signal.Signals[number])
    running.wait_for(rf"Worker process {victim} has ended")
    assert running.get("/").status == 200
    second = all_pids(running, 2, without=victim)
    assert len(second - first) == 1
    running.send_signal(signal.SIGTERM)
    assert running.exit_code() == 0
    assert all(is_gone(pid) for pid in first | second)
    assert running.log().count("Listening on") == 1
    assert "ERROR waitress" not in running.log()


@needs_fork
def test_processes_do_not_outlive_their_parent(launch: Launch) -> None:
    running = launch(processes=2, threads=1).listening()
    pids = all_pids(running, 2)
    running.send_signal(signal.SIGKILL)
    running.process.wait(PATIENCE)
    until(lambda: all(is_gone(pid) for pid in pids))
    with socket.create_server(("127.0.0.1", running.port)):
        pass


def to_parent(running: Running) -> None:
    running.send_signal(signal.SIGTERM)


def ctrl_c(running: Running) -> None:
    os.killpg(running.pid, signal.SIGINT)


def to_everybody(running: Running) -> None:
    """What systemd does: each process of the service gets one, and our own another."""
    os.killpg(running.pid, signal.SIGTERM)


@needs_fork
@pytest.mark.parametrize("stop", [to_parent, ctrl_c, to_everybody])
def test_a_stop_of_several_processes_loses_nothing(
    launch: Launch, stop: Callable[[Running], None]
) -> None:
    running = launch(processes=2, threads=1).listening()
    pids = all_pids(running, 2)

    def hold() -> Reply:
        return running.get("/hold")

    with ThreadPoolExecutor(30) as pool:
        held: list[Future[Reply]] = []
        busy = 0
        while busy < 2:  # Until there is a running request in both.
            held.append(pool.submit(hold))
            assert len(held) < 30
            busy += running.sees("hold begins", 0.3) is not None
        stop(running)
        until(running.refuses)
        running.release()
        replies = [future.result(PATIENCE) for future in held]
    assert {reply.status for reply in replies} == {200}
    assert {reply.headers["Connection"] for reply in replies} == {"close"}
    assert {reply.json()["pid"] for reply in replies} == pids
    assert running.exit_code() == 0
    assert all(is_gone(pid) for pid in pids)


@needs_fork
def test_an_application_that_cannot_start_is_reported_once(
    launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / "broken").touch()
    running = launch(processes=2)
    assert running.exit_code() == 1
    assert "no database for the test" in running.log()
    assert "Listening" not in running.log()
    assert running.log().count("Traceback") <= 2


@needs_fork
def test_processes_that_keep_dying_are_given_up(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "short-lived").touch()
    running = launch(processes=2)
    assert running.exit_code() == 1
    assert running.log().count("Worker process") <= 6
