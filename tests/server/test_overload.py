"""More requests than can be answered: which are refused, and which are not."""

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.server.small_server import (
    PATIENCE,
    Launch,
    Reply,
    Running,
    assert_refused,
    needs_posix,
    read_reply,
    until,
)

if sys.platform != "win32":
    import resource

LIMIT = 1  # Seconds, the least that can be set.
HOLD = b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
LOGIN = b"POST /careers/users/login/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def waiting(
    running: Running, seconds: float
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """One request has the only thread, and another has waited for it for so long."""
    with running.connect() as held, running.connect() as queued:
        held.sendall(HOLD)
        running.wait_for("hold begins")
        queued.sendall(HOLD)
        time.sleep(seconds)
        yield held, queued


def assert_overloaded(reply: Reply) -> None:
    assert_refused(reply, 503, "overloaded")
    assert reply.headers["Retry-After"] == "5"
    assert reply.headers["X-Request-ID"]


def test_a_request_behind_others_that_wait_too_long_is_refused_at_once(
    launch: Launch,
) -> None:
    running = launch(threads=1, queue_timeout=LIMIT).listening()
    client = http.client.HTTPConnection("127.0.0.1", running.port, PATIENCE)
    with waiting(running, 1.2 * LIMIT) as (held, queued):
        for method in ("GET", "POST", "GET"):
            client.request(method, "/", headers={"X-Request-ID": "mine"})
            reply = Reply(client.getresponse())
            assert_overloaded(reply)
            assert reply.headers["X-Request-ID"] == "mine"
            assert reply.headers["Connection"] is None, "it can be tried on this one"
        client.request("HEAD", "/")
        assert (Reply(client.getresponse()).status, client.sock is None) == (503, False)
        old = running.raw(b"GET / HTTP/1.0\r\n\r\n")
        assert_overloaded(old)
        assert old.headers["Connection"] == "close"
        # A health check must not make its sender restart the process.
        assert running.get("/health/live").json() == {"pid": running.pid}

        running.release()
        assert read_reply(held).status == 200
        read_reply(queued)
        client.request("GET", "/")
        assert Reply(client.getresponse()).status == 200
    client.close()
    running.wait_for("Overloaded: refused 1 request")


def test_a_request_behind_a_refused_one_is_answered_too(launch: Launch) -> None:
    running = launch(threads=1, queue_timeout=LIMIT).listening()
    with waiting(running, 1.2 * LIMIT):
        with running.connect() as pipeline:
            get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            pipeline.sendall(get * 3 + b"GET / HT")
            received = b""
            while data := pipeline.recv(65536):
                received += data
        assert received.count(b"HTTP/1.1 503 ") == 3
        running.release()


def test_a_request_that_waits_expires_while_no_thread_is_free(launch: Launch) -> None:
    running = launch(threads=1, queue_timeout=LIMIT).listening()
    with waiting(running, 0) as (held, queued), running.connect() as pipeline:
        begun = time.monotonic()
        pipeline.sendall(HOLD * 2)
        assert_overloaded(read_reply(queued))
        assert LIMIT < time.monotonic() - begun < LIMIT + 5
        assert_overloaded(read_reply(pipeline))
        queued.sendall(HOLD)
        running.release()
        answered = {read_reply(sock).status for sock in (held, queued, pipeline)}
        assert answered <= {200, 503}
    assert running.get("/").status == 200


@needs_posix
def test_a_stop_refuses_no_client_that_waits(launch: Launch) -> None:
    running = launch(threads=1, queue_timeout=LIMIT).listening()
    with waiting(running, 0.2) as (held, queued):
        running.send_signal(signal.SIGTERM)
        until(running.refuses)
        time.sleep(2.5 * LIMIT)
        running.release()
        assert [read_reply(sock).status for sock in (held, queued)] == [200, 200]
    assert running.exit_code() == 0


def test_half_of_the_connections_may_wait(launch: Launch) -> None:
    running = launch(threads=1, connection_limit=10).listening()
    crowd = [running.connect() for _ in range(7)]
    for number, sock in enumerate(crowd):
        sock.sendall(HOLD)
        if not number:
            running.wait_for("hold begins")
    time.sleep(0.5)  # A request that came too soon would wait as well.
    assert_overloaded(running.get("/"))
    running.release()
    assert [read_reply(sock).status for sock in crowd] == [200] * 7
    for sock in crowd:
        sock.close()


def test_those_who_sign_in_leave_a_thread_to_others(launch: Launch) -> None:
    running = launch(threads=3, hashes_at_once=8).listening()
    logins = [running.connect() for _ in range(5)]
    for sock in logins:
        sock.sendall(LOGIN)
    for _ in range(2):
        running.wait_for("hold begins")
    for _ in range(3):
        assert running.get("/").status == 200
    assert running.sees("hold begins", 0.3) is None, "a third one has a thread"
    running.release()
    assert [read_reply(sock).status for sock in logins] == [200] * 5
    for sock in logins:
        sock.close()


SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
UNREADABLE = (
    b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n",
    b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"no request line at all\r\n\r\n",
)


def test_behind_a_refused_request_that_could_not_be_read_nothing_is_read(
    launch: Launch,
) -> None:
    running = launch(threads=1, queue_timeout=LIMIT).listening()
    with waiting(running, 1.2 * LIMIT):
        for request in UNREADABLE:
            with running.connect() as sock:
                sock.sendall(request + SMUGGLED)
                reply = read_reply(sock)
                assert_overloaded(reply)
                assert reply.headers["Connection"] == "close"
                sock.sendall(SMUGGLED)
                assert sock.recv(100) == b""
        assert "uncaptured" not in running.log()
        running.release()


def test_a_client_that_takes_no_replies_is_hung_up_on(launch: Launch) -> None:
    running = launch(threads=2, channel_timeout=2).listening()
    greedy = []
    for _ in range(3):  # More than there are threads.
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", running.port))
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        greedy.append(sock)
    assert running.get("/").status == 200
    with running.connect() as other:  # It goes on living, too.
        other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_reply(other).status == 200
    for sock in greedy:
        sock.settimeout(PATIENCE)
        with suppress(ConnectionResetError):
            while sock.recv(65536):
                pass
        sock.close()


@needs_posix
def test_urgent_data_keeps_no_thread_busy(launch: Launch) -> None:
    running = launch().listening()
    with running.connect() as sock:
        sock.send(b"!", socket.MSG_OOB)
        assert running.sees("unhandled", 1) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_without_descriptors_the_loop_waits_and_says_so_once(launch: Launch) -> None:
    running = launch(threads=1).listening()
    assert running.get("/").status == 200
    files = len([*Path(f"/proc/{running.pid}/fd").iterdir()])
    _, hard = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (files + 2, hard))
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(running.connect())
        running.wait_for("No file can be opened")
        before = processor_seconds(running.pid)
        time.sleep(2)
        assert processor_seconds(running.pid) - before < 0.5
    assert running.log().count("No file can be opened") == 1
    assert running.get("/").status == 200


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
