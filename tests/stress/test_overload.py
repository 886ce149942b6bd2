"""Overload. More than the service can do is refused early, and the rest is done.

Peak: 32 connections that send again as soon as they have their reply, of what clients
usually ask (reads, searches, 4 % follows, 2 % logins with real hashes). Overload: users
who come at three times that rate, whatever becomes of those before them, on up to 1,500
connections; a user who is refused (503) is gone. Goodput is all replies but 503, a
second. Both are measured in turn, three times, and the median of the ratios counts,
each of two neighbours: how fast the machine is changes within minutes. Client and
server share its cores.
"""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import pytest

from careers_users.validation.limits import BASE_PATH
from tests.live_server import PASSWORDS, Client, Server
from tests.stress import generator
from tests.stress.conftest import Serve
from tests.stress.load import Caller, Load, Outcome, percentile
from tests.stress.memory import MEGABYTE, resident

# An operator's defaults; the other tests hash cheaply, and are patient.
REAL = {
    "CAREERS_USERS_ARGON2_MEMORY_KIB": "19456",
    "CAREERS_USERS_ARGON2_TIME_COST": "2",
    "CAREERS_USERS_QUEUE_TIMEOUT": "2",
}
USERS = 20
LOGINS = 32


def register(server: Server) -> list[str]:
    """Register the users; return their access tokens."""
    with Client(server.port) as client:
        replies = [client.register(f"user_{number}") for number in range(USERS)]
    return [reply.body["access"] for reply in replies]


def request(method: str, path: str, token: str = "", body: str = "") -> str:
    """Return a request as it is on the wire."""
    lines = [f"{method} {BASE_PATH}/{path} HTTP/1.1", "Host: x"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", body])


def usual(tokens: list[str]) -> list[str]:
    """Return a thousand requests in the usual proportions."""
    dice = random.Random(7)
    requests = []
    for _ in range(1000):
        me = dice.randrange(USERS)
        # Another user: users can't follow themselves.
        token, user = tokens[me], f"user_{(me + dice.randrange(1, USERS)) % USERS}"
        login = json.dumps({"username": user, "password": PASSWORDS["password"]})
        kinds = {
            2: request("POST", "login/", "", login),
            4: request("PUT", f"{user}/follow/", token),
            10: request("GET", f"?search={user}", token),
            14: request("GET", "?batch_size=20", token),
            20: request("GET", "me/", token),
            50: request("GET", f"{user}/"),
        }
        requests += dice.choices([*kinds.values()], [*kinds])
    return requests


@pytest.mark.quick
def test_logins_do_not_starve_reads(
    database_url: str, serve: Serve, figures: dict[str, str], whole: bool
) -> None:
    """With 32 clients that log in without a pause, real hashes (19 MiB, 2 passes) and
    two processes, the 99th percentile of reads stays under 250 ms."""
    server = serve(database_url, **REAL)
    register(server)

    def login(caller: Caller) -> list[Outcome]:
        body = {"username": "user_1", "password": PASSWORDS["password"]}
        outcome = caller.call("POST", "login/", body)
        if outcome.status == 503:
            time.sleep(1)
        return [outcome]

    def read(caller: Caller) -> list[Outcome]:
        return [caller.call("GET", "user_2/")]

    with Load(server.port, *[login] * LOGINS) as logins:
        logins.wait_for(LOGINS)
        before = logins.statuses()[200]
        begun = time.monotonic()
        with Load(server.port, read, read, pause=0.01) as reads:
            reads.wait_for(400 if whole else 150)
        took = time.monotonic() - begun
        rate = (logins.statuses()[200] - before) / took
    assert {*reads.statuses()} == {200}
    assert {*logins.statuses()} <= {200, 503}
    slow = percentile([each.seconds for each in reads.outcomes], 99)
    figures["reads' p99"] = f"{slow * 1000:.0f} ms"
    figures["logins"] = f"{rate:.0f}/s"
    assert slow < 0.25


@contextmanager
def asked_for_health(server: Server) -> Iterator[list[float]]:
    """Ask whether it lives five times a second, each time on a new connection."""
    seconds: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.2):
            with Caller(server.port) as caller:
                outcome = caller.call("GET", "/health/live")
                seconds.append(outcome.seconds if outcome.status == 200 else 1e9)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield seconds
    finally:
        stop.set()
        thread.join()


def flooded(
    server: Server, requests: list[str], rate: float, seconds: float
) -> generator.Result:
    """Send far too much; hold that nothing breaks, and that health is answered."""
    with asked_for_health(server) as health:
        seen = generator.run(
            server.port, requests, rate=rate, connections=1500, seconds=seconds
        )
    assert max(health) < 2
    assert seen.broken == 0
    assert {*seen.statuses} <= {200, 201, 503}
    assert seen.statuses[503] > 0
    return seen


def test_goodput_at_three_times_what_it_can_do(
    database_url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """Users who come at three times the rate that the service can serve get early 503s:
    goodput stays at 80 % of its peak or more, memory is flat, health is answered."""
    rounds, seconds = 3, 2.0
    server = serve(database_url, **REAL)
    requests = usual(register(server))

    def peak_now() -> float:
        return generator.run(
            server.port, requests, rate=0, connections=32, seconds=seconds
        ).goodput

    peak_now()  # Warms up.
    peaks: list[float] = []
    floods: list[generator.Result] = []
    memory: list[int] = []
    for _ in range(rounds):
        peaks.append(peak_now())
        floods.append(flooded(server, requests, 3 * max(peaks), 2 * seconds))
        memory.append(resident(server.pid))
    # Each beside the peak of the same seconds, since the machine has others to serve.
    kept = median(
        flood.goodput / peak for flood, peak in zip(floods, peaks, strict=True)
    )
    grown = (memory[-1] - memory[0]) / MEGABYTE
    figures["peak"] = f"{median(peaks):,.0f}/s"
    figures["goodput at three times that"] = f"{kept:.0%} of it"
    figures["refused"] = f"{sum(each.statuses[503] for each in floods):,}"
    figures["memory"] = f"{memory[-1] / MEGABYTE:.0f} MB, {grown:+.0f} MB since"
    assert grown < 16
    assert kept >= 0.8
