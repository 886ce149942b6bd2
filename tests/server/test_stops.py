"""A stop loses nothing that was asked, and is bounded."""

import http.client
import json
import signal
import time
from contextlib import ExitStack

import pytest

from tests.server.small_server import (
    PATIENCE,
    Launch,
    Reply,
    Running,
    needs_fork,
    needs_posix,
    read_reply,
    until,
)


def keep_alive(server: Running, stack: ExitStack) -> http.client.HTTPConnection:
    """Return a connection that has been used, and may be used again."""
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
    running = launch(threads=1, connection_limit=2).listening()
    with ExitStack() as stack:
        asked = [stack.enter_context(running.connect()) for _ in range(6)]
        for sock in asked:
            sock.sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        running.wait_for("is reached .*: new ones wait")
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
