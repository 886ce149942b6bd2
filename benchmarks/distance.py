"""The cost of a distant PostgreSQL: follows of one celebrity, and logins.

    python -m benchmarks.distance

Puts a relay before a PostgreSQL server of its own that holds back each message for half
the round trip, and asks the service how many changes a second it makes there, and how
long each takes. All 16 clients follow and unfollow the same user, so they wait for the
same row of counters: the rate depends on for how many round trips each keeps it. About
a minute.
"""

import argparse
import asyncio
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

from tests import live_server, postgres
from tests.stress.load import Caller, Load, Outcome, Work, middle, percentile

PEOPLE = 16
SECONDS = 5.0
# Milliseconds there and back: on one machine, in one data centre, between two.
DISTANCES = (0.0, 1.0, 3.0)
SETTINGS = {
    "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY,
    "CAREERS_USERS_PROCESSES": "2",
    "CAREERS_USERS_THREADS": str(PEOPLE),
}


def relay(target: int, milliseconds: float, told: Connection) -> None:
    """Pass on what comes to a new port, which `told` is told, to another one, late."""

    async def pass_on(reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            loop.call_later(milliseconds / 2000, to.write, data)
        loop.call_later(milliseconds / 2000, to.close)

    async def connect(ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        theirs, there = await asyncio.open_connection("127.0.0.1", target)
        for writer in (back, there):
            side = writer.get_extra_info("socket")
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(pass_on(ours, there), pass_on(theirs, back))

    async def serve() -> None:
        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def at_a_distance(url: str, milliseconds: float) -> Iterator[str]:
    """Give the URL by which a database is so many milliseconds away, there and back."""
    parts = urlsplit(url)
    ear, mouth = multiprocessing.Pipe(duplex=False)
    arguments = (parts.port, milliseconds, mouth)
    process = multiprocessing.Process(target=relay, args=arguments, daemon=True)
    process.start()
    try:
        who = parts.netloc.rpartition("@")[0]
        yield parts._replace(netloc=f"{who}@127.0.0.1:{ear.recv()}").geturl()
    finally:
        process.terminate()
        process.join()


def fan(token: str, caller: Caller) -> Iterator[Outcome]:
    """Follow the celebrity, and unfollow it."""
    yield caller.call("POST", "follow/", {"username": "celebrity"}, token)
    yield caller.call("DELETE", "celebrity/unfollow/", None, token)


def sign_in(usernames: Sequence[str], caller: Caller) -> Iterator[Outcome]:
    """Sign in as one after the other: who does so too often ends old sessions."""
    for username in usernames:
        body = {"username": username, "password": live_server.PASSWORDS["password"]}
        yield caller.call("POST", "login/", body)


def measure(port: int, *works: Work) -> tuple[float, list[float]]:
    """Return how many calls a second these make, and the seconds that each took."""
    with Load(port, *works) as load:
        time.sleep(1)  # Connections, plans.
        before = len(load.outcomes)
        time.sleep(SECONDS)
        done = load.outcomes[before:]
    assert {*load.statuses()} <= {200, 201}, load.statuses()
    return len(done) / SECONDS, [outcome.seconds for outcome in done]


def row(url: str, milliseconds: float, folder: Path) -> str:
    """Serve a database at this distance; return a row of the table."""
    with (
        at_a_distance(url, milliseconds) as far,
        live_server.Server(folder, DATABASE_URL=far, **SETTINGS) as server,
    ):
        with Caller(server.port) as caller:
            caller.register("celebrity")  # From the second time on it is there.
            names = [f"fan_{n}_{milliseconds:.0f}" for n in range(PEOPLE)]
            tokens = [caller.register(name).body["access"] for name in names]
        changes, seconds = measure(server.port, *(partial(fan, t) for t in tokens))
        _, logins = measure(server.port, partial(sign_in, names))
    times = (middle(seconds), percentile(seconds, 99), middle(logins))
    shown = " | ".join(f"{1000 * each:.1f}" for each in times)
    return f"| {milliseconds:.0f} | {changes:,.0f} | {shown} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with postgres.server(folder) as server:
            url = server.create("distance")
            live_server.run(
                folder, "db", "upgrade", DATABASE_URL=url
            ).check_returncode()
            print(
                "| ms there and back | follows and unfollows of one user /s "
                "| median ms | p99 ms | one login, ms |"
            )
            print("|--:|--:|--:|--:|--:|")
            for milliseconds in DISTANCES:
                print(row(url, milliseconds, folder), flush=True)


if __name__ == "__main__":
    main()
