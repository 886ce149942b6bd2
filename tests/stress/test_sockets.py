"""Hostile sockets. A malformed, endless or slow request harms its sender alone."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain

import pytest

from careers_users.validation.limits import BASE_PATH
from tests import live_server
from tests.live_server import Server
from tests.stress.conftest import Serve
from tests.stress.load import Caller, Load, Outcome, percentile
from tests.stress.memory import MEGABYTE, resident

TIMEOUT = 4  # Seconds, instead of the 30 that a connection may be idle by default.
GET = f"GET {BASE_PATH}/ HTTP/1.1\r\nHost: x\r\n".encode()
POST = f"POST {BASE_PATH}/login/ HTTP/1.1\r\nHost: x\r\n".encode()
# Paths that must never be answered: hidden in a request, to be taken for one.
HIDDEN = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"

# By the name of the trick: what is sent, and the status that it must get.
TRICKS: dict[str, tuple[bytes, int]] = {
    "two lengths": (POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400),
    "one length twice": (POST + b"Content-Length: 4\r\n" * 2 + b"\r\nabcd", 400),
    "a list of lengths": (POST + b"Content-Length: 4, 4\r\n\r\nabcd", 400),
    "a length with a plus": (POST + b"Content-Length: +5\r\n\r\nabcde", 400),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n", 400),
    "a length in hex": (POST + b"Content-Length: 0x4\r\n\r\nabcd", 400),
    "a length with an underscore": (POST + b"Content-Length: 1_0\r\n\r\nabcd", 400),
    "a length in other digits": (POST + b"Content-Length: \xb2\r\n\r\nab", 400),
    "an empty length": (POST + b"Content-Length: \r\n\r\n", 400),
    "length and chunks": (CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n", 400),
    "chunks and length": (
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n", 400),
    "two headers of chunks": (CHUNKED * 1 + CHUNKED[len(POST) :] + b"\r\n", 400),
    "an encoding like chunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "chunked, then identity": (
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n",
        501,
    ),
    "a tab in the encoding": (POST + b"Transfer-Encoding: chunked\x0b\r\n\r\n", 400),
    "chunks in HTTP/1.0": (
        CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n0\r\n\r\n",
        400,
    ),
    "a chunk's size with a plus": (CHUNKED + b"\r\n+4\r\nabcd\r\n0\r\n\r\n", 400),
    "a chunk's size with 0x": (CHUNKED + b"\r\n0x4\r\nabcd\r\n0\r\n\r\n", 400),
    "a chunk's size with a space": (CHUNKED + b"\r\n4 \r\nabcd\r\n0\r\n\r\n", 400),
    "a chunk's size below zero": (CHUNKED + b"\r\n-1\r\nabcd\r\n0\r\n\r\n", 400),
    "a chunk that is too long": (CHUNKED + b"\r\n2\r\nabcd\r\n0\r\n\r\n", 400),
    "a chunk without a size": (CHUNKED + b"\r\n;a\r\nabcd\r\n0\r\n\r\n", 400),
    "a chunk after a bare LF": (CHUNKED + b"\r\n4\nabcd\r\n0\r\n\r\n", 400),
    "a bare LF in an extension": (CHUNKED + b"\r\n4;a\nb\r\nabcd\r\n0\r\n\r\n", 400),
    "a space before the colon": (POST + b"Content-Length : 4\r\n\r\nabcd", 400),
    "a space before the other": (POST + b"Transfer-Encoding : chunked\r\n\r\n", 400),
    "a folded header": (POST + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", 400),
    "a folded encoding": (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n", 400),
    "a folded first header": (POST[: POST.find(b"\n") + 1] + b" X: a\r\n\r\n", 400),
    "a bare CR": (POST + b"X: a\rContent-Length: 4\r\n\r\nabcd", 400),
    "a bare LF": (POST + b"X: a\nContent-Length: 4\r\n\r\nabcd", 400),
    "a NUL": (POST + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n", 400),
    "no name": (POST + b": a\r\n\r\n", 400),
    "no colon": (POST + b"Content-Length\r\n\r\n", 400),
    "no host": (GET.replace(b"Host: x\r\n", b"\r\n"), 400),
    "two hosts": (GET + b"Host: x\r\n\r\n", 400),
    "a host with a space": (GET.replace(b"Host: x", b"Host: x y") + b"\r\n", 400),
    "HTTP/0.9": (GET.replace(b" HTTP/1.1", b"") + b"\r\n", 400),
    "HTTP/2.0": (GET.replace(b"1.1", b"2.0") + b"\r\n", 400),
    "a vertical tab before": (b"\x0b\r\n" + GET + b"\r\n", 400),
    "a form feed before": (b"\r\n\x0c" + GET + b"\r\n", 400),
    "a bare LF in a trailer": (CHUNKED + b"\r\n0\r\nX: a\nY: b\r\n\r\n", 400),
}


def send(server: Server, pieces: Iterator[bytes]) -> bytes:
    """Send as much as is taken; return all that comes back until the end."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        try:
            for piece in pieces:
                sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It has heard enough.
        received = b""
        try:
            while data := sock.recv(65536):
                received += data
        except ConnectionResetError:
            pass
    return received


def statuses(received: bytes) -> list[int]:
    """Return the statuses of all replies in what was received."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d+) ", received)]


@contextmanager
def others_are_served(server: Server, figures: dict[str, str]) -> Iterator[None]:
    """Hold that others are served in under a second, and that memory is bounded."""

    def read(caller: Caller) -> list[Outcome]:
        return [caller.call("GET", "")]

    def arrive(caller: Caller) -> list[Outcome]:
        caller.close()
        return read(caller)

    with Load(server.port, read, arrive, pause=0.01) as warming:
        warming.wait_for(100)
    before = resident(server.pid)
    with Load(server.port, read, arrive, pause=0.01) as others:
        others.wait_for(10)
        yield
        others.wait_for(10)
    grown = (resident(server.pid) - before) / MEGABYTE
    assert {*others.statuses()} == {200}
    slow = percentile([each.seconds for each in others.outcomes], 99)
    figures["others' p99 meanwhile"] = f"{slow * 1000:.0f} ms"
    figures["memory"] = f"{grown:+.0f} MB"
    assert slow < 1
    assert grown < 64


@pytest.mark.quick
def test_json_that_could_be_read_in_two_ways_is_refused(
    database_url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """A request that a proxy might understand differently is refused, and nothing that
    is hidden behind it is taken for another request (request smuggling)."""
    server = serve(database_url)
    with others_are_served(server, figures):
        for trick, (data, status) in TRICKS.items():
            received = send(server, iter([data + HIDDEN]))
            assert statuses(received) == [status], (trick, received)
            assert b"Connection: close" in received, trick
    figures["tricks"] = str(len(TRICKS))


def test_oversized_bodies_are_not_kept(
    database_url: str, serve: Serve, figures: dict[str, str], whole: bool
) -> None:
    """Bodies of 30 MB, with a length, in chunks or without either, are refused while
    they come, and are not kept in memory."""
    server = serve(database_url)
    piece = b"x" * 65536
    many = 30 * MEGABYTE // len(piece)
    of_length = POST + b"Content-Length: %d\r\n\r\n" % (many * len(piece))
    chunk = b"%x\r\n%b\r\n" % (len(piece), piece)
    kinds: dict[str, tuple[Callable[[], Iterator[bytes]], int]] = {
        "length": (lambda: chain([of_length], [piece] * many), 413),
        "chunks": (lambda: chain([CHUNKED + b"\r\n"], [chunk] * many), 413),
        "one endless line": (lambda: chain([GET, b"X: "], [piece] * many), 431),
    }
    rounds = 3 if whole else 1
    with others_are_served(server, figures):
        for kind, (pieces, status) in [*kinds.items()] * rounds:
            received = send(server, pieces())
            assert statuses(received) == [status], (kind, received)
        # Without a length there is no body: what comes is the next request.
        received = send(server, chain([GET + b"\r\n"], [piece] * many))
        assert statuses(received) == [200, 431]


def test_headers_and_pipelines(
    database_url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """10,000 bytes of headers are taken and 20,000 refused; a hundred requests that are
    sent at once are answered in their order."""
    server = serve(database_url)
    with others_are_served(server, figures):
        for size, status in ((10_000, 200), (20_000, 431)):
            filler = b"X-Filler: %b\r\n" % (b"x" * 88) * (size // 100)
            received = send(server, iter([GET + filler + b"\r\n"]))
            assert statuses(received) == [status]
        asked = [f"pipelined-{number}" for number in range(100)]
        pipeline = [GET + f"X-Request-ID: {name}\r\n\r\n".encode() for name in asked]
        received = send(server, iter([b"".join(pipeline)]))
        lines = received.decode().split("\r\n")
        answered = [line for line in lines if line.startswith("X-Request-Id: ")]
        assert answered == [f"X-Request-Id: {name}" for name in asked]


class Dawdlers:
    """Connections that are half open, and some that send a byte every two seconds."""

    def __init__(self, server: Server, stack: ExitStack) -> None:
        self.begun = time.monotonic()
        self.next_byte = self.begun + 2

        def connect(beginning: bytes) -> socket.socket:
            sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            sock.sendall(beginning)
            sock.setblocking(False)
            return stack.enter_context(sock)

        self.silent = [connect(b"" if n % 2 else GET[:-3]) for n in range(300)]
        self.slow = [connect(POST + b"Content-Length: 9\r\n\r\n") for _ in range(20)]

    def all_are_closed(self) -> bool:
        """Send a byte where it is time; return whether the server has closed all."""
        if time.monotonic() >= self.next_byte:
            self.next_byte += 2
            for sock in self.slow:
                with suppress(OSError):
                    sock.sendall(b"x")
        self.silent = [sock for sock in self.silent if not is_closed(sock)]
        self.slow = [sock for sock in self.slow if not is_closed(sock)]
        return not (self.silent or self.slow)


def is_closed(sock: socket.socket) -> bool:
    """Return whether the other side has hung up."""
    try:
        return sock.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_senders_of_little_or_nothing_hold_up_no_other(
    database_url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """300 connections that are half open and 20 that send a byte every two seconds hold
    up no other client; they are closed when their time is over, however busy they
    look."""
    server = serve(database_url, CAREERS_USERS_CHANNEL_TIMEOUT=str(TIMEOUT))
    with ExitStack() as stack, others_are_served(server, figures):
        dawdlers = Dawdlers(server, stack)
        live_server.until(dawdlers.all_are_closed)
        took = time.monotonic() - dawdlers.begun
    assert took >= TIMEOUT
    figures["all closed after"] = f"{took:.1f} s, of {TIMEOUT} s allowed"
