"""Connections. Clients that don't read, don't ask or wait hold up no other client."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from careers_users.validation.limits import BASE_PATH
from tests import live_server
from tests.live_server import PASSWORDS, Server
from tests.stress.conftest import Serve
from tests.stress.load import Caller, Load, Outcome, percentile

USERS = 100
TIMEOUT = 4  # Seconds, instead of the 30 that a reply may take by default.
WAIT = 2  # Seconds, CAREERS_USERS_QUEUE_TIMEOUT by default.
LARGE = f"GET {BASE_PATH}/?batch_size=100 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
PAGE = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"


def read(caller: Caller) -> list[Outcome]:
    return [caller.call("GET", "")]


def read_anew(caller: Caller) -> list[Outcome]:
    caller.close()
    return read(caller)


@contextmanager
def others_served(server: Server, figures: dict[str, str]) -> Iterator[Load]:
    """Hold that all others are served, in under a second."""
    with Load(server.port, read, read_anew, pause=0.02) as others:
        others.wait_for(10)
        yield others
        others.wait_for(20)
    assert {*others.statuses()} == {200}
    slow = percentile([each.seconds for each in others.outcomes], 99)
    figures["others' p99 meanwhile"] = f"{slow * 1000:.0f} ms"
    assert slow < 1


def greedy(server: Server, stack: ExitStack, requests: bytes) -> socket.socket:
    """Ask for a lot at once, on a connection that holds little."""
    sock = stack.enter_context(socket.socket())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(20)
    sock.connect(("127.0.0.1", server.port))
    sock.sendall(requests)
    return sock


def is_hung_up(sock: socket.socket, size: int) -> bool:
    """Read up to `size` bytes; return whether the server has hung up."""
    try:
        return size > 0 and sock.recv(size) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.quick
@pytest.mark.parametrize("page", [True, False])
def test_readers_that_take_nothing_or_little_hold_up_no_other(
    database_url: str, serve: Serve, figures: dict[str, str], page: bool
) -> None:
    """Connections that pipeline requests for something large, and read nothing or
    little of it, occupy no thread; they are closed when a reply has taken too long."""
    settings = {
        "CAREERS_USERS_CHANNEL_TIMEOUT": str(TIMEOUT),
        "CAREERS_USERS_DOCS": str(page),
    }
    server = serve(database_url, **settings)
    with Caller(server.port) as caller:
        for number in range(USERS):
            assert caller.register(f"user_{number}").status == 201
    begun = time.monotonic()
    with ExitStack() as stack, others_served(server, figures):
        large = PAGE if page else LARGE
        silent = [greedy(server, stack, large * 40) for _ in range(12)]
        slow = [greedy(server, stack, large * 40) for _ in range(12)]

        def all_are_hung_up() -> bool:
            for sock in slow:
                sock.settimeout(0.01)
            slow[:] = [sock for sock in slow if not is_hung_up(sock, 2048)]
            return not slow

        live_server.until(all_are_hung_up)
        took = time.monotonic() - begun
        for sock in silent:
            with suppress(ConnectionResetError):
                while sock.recv(65536):
                    pass
    figures["all closed after"] = f"{took:.1f} s, of {TIMEOUT} s allowed"


@pytest.mark.quick
def test_idle_connections_make_room_for_new_ones(
    database_url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """With more idle connections than each process may hold, those that are idle for
    longest are closed for new ones, and health is answered in under a second."""
    limit = 40
    server = serve(database_url, CAREERS_USERS_CONNECTION_LIMIT=str(limit))
    with ExitStack() as stack:
        idle = []
        for number in range(3 * limit):
            sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            idle.append(stack.enter_context(sock))
            if number % 3 == 0:
                sock.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            elif number % 3 == 1:
                sock.sendall(b"GET / HT")
        slowest = 0.0
        for _ in range(3 * limit):
            with Caller(server.port) as caller:
                outcome = caller.call("GET", "/health/live")
            assert outcome.status == 200
            slowest = max(slowest, outcome.seconds)
    figures["slowest answer"] = f"{slowest:.2f} s"
    figures["idle connections"] = f"{3 * limit}, of {2 * limit} allowed"
    # A connection counts as idle half a second after its last byte, or two if it has
    # sent half a request; two processes have their share of each.
    assert slowest < 1


@pytest.mark.quick
def test_a_request_that_waits_for_a_thread_expires(
    database_url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """While all threads are busy, a request that waits is answered 503 within
    `CAREERS_USERS_QUEUE_TIMEOUT` and a second, and health is answered at once."""
    settings = {
        "CAREERS_USERS_QUEUE_TIMEOUT": str(WAIT),
        "CAREERS_USERS_ARGON2_TIME_COST": "20",
        "CAREERS_USERS_ARGON2_MEMORY_KIB": str(128 * 1024),
    }
    words = ("--processes", "1", "--threads", "2")
    server = serve(database_url, *words, **settings)
    body = {"username": "nobody_at_all", "password": PASSWORDS["password"]}

    def login(caller: Caller) -> list[Outcome]:
        return [caller.call("POST", "login/", body)]

    health: list[float] = []
    with Load(server.port, *[login] * 16) as logins, Caller(server.port) as caller:
        ended = threading.Event()

        def has_expired() -> bool:
            outcome = caller.call("GET", "/health/live")
            health.append(outcome.seconds)
            ended.wait(0.1)
            return logins.statuses()[503] >= 16

        live_server.until(has_expired)
    refused = [each.seconds for each in logins.outcomes if each.status == 503]
    figures["slowest 503"] = f"{max(refused):.1f} s, of {WAIT} s and one more"
    figures["health's p99"] = f"{percentile(health, 99) * 1000:.0f} ms"
    assert WAIT < max(refused) < WAIT + 1
    assert max(health) < 1
