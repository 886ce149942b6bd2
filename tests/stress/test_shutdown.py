"""Shutdown and restart. No request that was asked is lost, no connection refused.

Each kind of request in one process has its test in tests/server/test_stops.py, and the
protocol of systemd in tests/server/test_socket_activation.py.
"""

import os
import signal
import socket
import sys
import time

import pytest

from tests import live_server
from tests.live_server import PASSWORDS, Server, on_socket
from tests.stress.conftest import Serve
from tests.stress.load import NO_REPLY, Caller, Load, Outcome, Work, Writer, assert_kept

REAL_HASHES = {
    "CAREERS_USERS_ARGON2_MEMORY_KIB": "19456",
    "CAREERS_USERS_ARGON2_TIME_COST": "2",
}
DRAIN = 20  # Seconds: the default of CAREERS_USERS_DRAIN_TIMEOUT.


def reader(caller: Caller) -> list[Outcome]:
    """Read the first users, on a connection that is kept."""
    return [caller.call("GET", "")]


def newcomer(caller: Caller) -> list[Outcome]:
    """Read the same, on a new connection each time."""
    caller.close()
    return reader(caller)


def login(caller: Caller) -> list[Outcome]:
    """Log in as the star: what takes longest, and so has to queue."""
    body = {"username": "star", "password": PASSWORDS["password"]}
    return [caller.call("POST", "login/", body)]


def refuses(server: Server) -> bool:
    """Return whether no process listens any more."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    except OSError:
        return True
    return False


def with_star(server: Server) -> Server:
    """Register the star."""
    with Caller(server.port) as caller:
        assert caller.register("star").status == 201
    return server


@pytest.mark.quick
def test_a_stop_loses_nothing(
    database_url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """A stop (SIGTERM) under load answers all that has been asked, also what is queued
    or comes on a kept connection, and refuses new ones; it exits with 0 in time."""
    server = with_star(serve(database_url, **REAL_HASHES))
    writers = [Writer(f"w{number}", "star") for number in range(2)]
    works: list[Work] = [reader, reader, *[login] * 12, *writers]
    with Load(server.port, newcomer) as newcomers, Load(server.port, *works) as load:
        load.wait_for(60)
        begun = time.monotonic()
        assert server.stop() == 0
        took = time.monotonic() - begun
        assert refuses(server)
    asked = [each.status for each in load.outcomes if each.started < begun]
    assert len(asked) > 60
    assert {*asked} == {200, 201}
    assert {*load.statuses(), *newcomers.statuses()} <= {NO_REPLY, 200, 201}
    assert took < DRAIN
    kept = assert_kept(database_url, *writers)
    figures["stopped in"] = f"{took:.1f} s"
    figures["acknowledged writes, all kept"] = str(kept)


def test_a_second_signal_ends_it(database_url: str, serve: Serve) -> None:
    """A second stop signal ends the server at once."""
    slow = {"CAREERS_USERS_ARGON2_TIME_COST": "20"}
    server = with_star(serve(database_url, **{**REAL_HASHES, **slow}))
    with Load(server.port, *[login] * 16) as load:
        load.wait_for(1)
        os.kill(server.pid, signal.SIGTERM)
        live_server.until(lambda: refuses(server))
        assert server.stop() == 128 + signal.SIGTERM
    assert load.statuses()[NO_REPLY] >= 8, "they were not waited for"


@pytest.mark.quick
@pytest.mark.skipif(sys.platform != "linux", reason="systemd's protocol")
def test_a_restart_on_a_given_socket_refuses_no_client(
    database_url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """A restart under load on a socket that systemd holds refuses and resets no new
    connection: it waits in the socket until the next process accepts it."""
    restarts = 3
    writers = [Writer(f"w{number}", "star") for number in range(2)]
    slowest = 0.0
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        server = with_star(serve(database_url, command=on_socket(listener)))
        new = [newcomer] * 4
        with (
            Load(server.port, *new, pause=0.05) as load,
            Load(server.port, reader, *writers, pause=0.05) as others,
        ):
            for _ in range(restarts):
                load.wait_for(25)
                begun = time.monotonic()
                assert server.stop() == 0
                server = serve(database_url, command=on_socket(listener))
                load.wait_for(1)
                slowest = max(slowest, time.monotonic() - begun)
            load.wait_for(25)
            others.wait_for(5)
    assert {*load.statuses()} == {200}
    # An idle connection is closed by a stop, perhaps while a request is on its way.
    assert {*others.statuses()} <= {NO_REPLY, 200, 201}
    kept = assert_kept(database_url, *writers)
    assert server.stop() == 0
    figures["restarts"] = str(restarts)
    figures["slowest, stop and start"] = f"{slowest:.1f} s"
    figures["new connections, all answered"] = f"{len(load.outcomes):,}"
    figures["acknowledged writes, all kept"] = str(kept)
