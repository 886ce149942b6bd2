"""Writes that want the same rows, with commits that take no time and 5 milliseconds.

`python -m benchmarks.contention [CHECKOUT]`: on a PostgreSQL server of its own, two
processes and 16 clients; a minute. With CHECKOUT, another checkout's code is served.
"""

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from tests import live_server, postgres
from tests.conftest import driver_url
from tests.stress.load import Caller, Load, Outcome, Work

CLIENTS = 16
SECONDS = 4.0
# The time that a commit waits for, in microseconds: nothing, or a slow disk or a
# synchronous replica. The server itself waits so long before it writes.
LATENCIES = (0, 5000)
DURABLE = {"fsync": "on", "synchronous_commit": "on", "commit_siblings": "0"}
# Limits that count, and never refuse.
LIMITS = (
    "LOGIN",
    "LOGIN_ADDRESS",
    "LOGIN_USERNAME",
    "LOGIN_SUCCESS",
    "REGISTER",
    "FOLLOW",
)
SETTINGS = {
    "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY,
    "CAREERS_USERS_RATELIMIT_ENABLED": "true",
    **{f"CAREERS_USERS_RATELIMIT_{name}": "1000000/hour" for name in LIMITS},
}


class Served(NamedTuple):
    """A server with users: one whom all follow, and one for each client."""

    port: int
    star: str
    tokens: list[str]


@contextlib.contextmanager
def served(folder: Path, url: str) -> Iterator[Served]:
    """Serve a new database from two processes."""
    settings = {"DATABASE_URL": url, **SETTINGS}
    live_server.run(folder, "db", "upgrade", **settings).check_returncode()
    with live_server.Server(
        folder, "--processes", "2", "--threads", "8", **settings
    ) as server:
        with Caller(server.port) as caller:
            star = caller.register("star").body["access"]
            names = [f"client_{number}" for number in range(CLIENTS)]
            tokens = [caller.register(name).body["access"] for name in names]
        yield Served(server.port, star, tokens)


def registrations(of: Served) -> list[Work]:
    """Return clients that register new users."""
    numbers = count()

    def register(caller: Caller) -> Iterator[Outcome]:
        yield caller.register(f"user_{next(numbers)}")

    del of
    return [register] * CLIENTS


def logins(of: Served) -> list[Work]:
    """Return clients that sign in, all from one address."""

    def login(number: int) -> Work:
        body = {"username": f"client_{number}", "password": "password123"}

        def work(caller: Caller) -> Iterator[Outcome]:
            yield caller.call("POST", "login/", body)

        return work

    return [login(number) for number in range(len(of.tokens))]


def follows(of: Served) -> list[Work]:
    """Return clients that follow one user and stop again."""

    def follow(token: str) -> Work:
        def work(caller: Caller) -> Iterator[Outcome]:
            yield caller.call("POST", "follow/", {"username": "star"}, token)
            yield caller.call("DELETE", "star/unfollow/", None, token)

        return work

    return [follow(token) for token in of.tokens]


def rate(of: Served, works: list[Work]) -> float:
    """Return how many calls a second all clients together get done."""
    with Load(of.port, *works) as load:
        time.sleep(SECONDS)
    assert set(load.statuses()) <= {200, 201}, load.statuses()
    return len(load.outcomes) / SECONDS


def updates(of: Served) -> list[float]:
    """Return the seconds of each change of the profile of a user whom all follow."""
    outcomes: list[Outcome] = []
    with Load(of.port, *follows(of)), Caller(of.port, timeout=60) as caller:
        time.sleep(0.5)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            body = {"bio": str(len(outcomes))}
            outcomes.append(caller.call("PATCH", "me/", body, of.star))
    return [outcome.seconds for outcome in outcomes]


def main() -> None:
    """Print the figures of each latency."""
    if len(sys.argv) > 1:  # Before the package that is installed.
        live_server.ROOT = Path(sys.argv[1])
    with (
        tempfile.TemporaryDirectory() as name,
        postgres.server(Path(name)) as database,
    ):
        for latency in LATENCIES:
            database.configure(**DURABLE, commit_delay=str(latency))
            url = driver_url(database.create(f"after_{latency}"))
            with served(Path(name), url) as of:
                print(f"commits take {latency / 1000:.0f} ms more")
                print(f"  registrations {rate(of, registrations(of)):.0f}/s")
                print(f"  logins from one address {rate(of, logins(of)):.0f}/s")
                print(f"  follows of one user {rate(of, follows(of)):.0f}/s")
                seconds = updates(of)
                middle, most = statistics.median(seconds), max(seconds)
                print(
                    f"  profile updates of a followed user: median {middle * 1000:.0f}"
                    f" ms, slowest {most * 1000:.0f} ms"
                )


if __name__ == "__main__":
    os.environ["CAREERS_USERS_TEST_POSTGRES"] = "system"
    main()
