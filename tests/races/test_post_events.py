"""Many senders, two servers, everything twice and in no order, and one killed midway.

Whatever happens: no reply but 200, and numbers that equal the events that there were.
"""

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from careers_users.post_events.schemas import MOVES
from careers_users.validation.limits import BASE_PATH
from tests import live_server
from tests.live_server import Client, Server, at_once
from tests.post_events.posts_service import BATCH, TOKENS, event

AUTHORS = 5  # The first of them is the author of half of everything.
THINGS = 1500  # Posts, likes and comments that come; some of them go again.
BATCH_EVENTS = 100
SENDERS = 12
TRIES = 200

Batch = list[dict[str, Any]]


class Ports:
    """Where the servers listen; one of them is replaced on the way."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.answered = threading.Semaphore(0)


def story(dice: random.Random) -> Batch:
    """Return the events of all things, each in the order in which they happened."""
    kinds = [list(MOVES)[number : number + 2] for number in (0, 2, 4)]
    events = []
    for number in range(THINGS):
        author = 1 if dice.random() < 0.5 else dice.randint(2, AUTHORS)
        there, gone = dice.choice(kinds)
        for step in range(dice.choice((1, 1, 2, 3))):
            type_ = gone if step % 2 else there
            events.append(event(type_, author, number + step / 10, f"{number}-{step}"))
    return events


def expected(events: Batch) -> list[tuple[int, ...]]:
    """Return the counters as they must be in the end."""
    sums: Counter[tuple[int, str]] = Counter()
    for one in events:
        counter, by = MOVES[one["type"]]
        sums[one["data"]["author_id"], counter] += by
    names = ("posts_count", "likes_received", "comments_received")
    return [
        (author, *(sums[author, name] for name in names))
        for author in range(1, AUTHORS + 1)
    ]


def deliver(ports: Ports, batch: Batch, number: int) -> Counter[str]:
    """Send a batch until it is answered, to one server or the other."""
    headers = {"Content-Type": BATCH, "Authorization": f"Bearer {TOKENS[0]}"}
    path = f"{BASE_PATH}/events/"
    for attempt in range(TRIES):
        port = ports.ports[(number + attempt) % 2]
        connection = http.client.HTTPConnection("127.0.0.1", port, live_server.PATIENCE)
        try:
            connection.request("POST", path, json.dumps(batch), headers)
            response = connection.getresponse()
            body = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            continue  # It was killed; the batch may have been taken in.
        finally:
            connection.close()
        assert response.status == 200, body
        ports.answered.release()
        return Counter(result["status"] for result in body["results"])
    raise AssertionError("No server answers.")


def serve(stack: ExitStack, folder: Path, url: str) -> Server:
    """Start a server on the database."""
    settings = {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY}
    settings["CAREERS_USERS_EVENTS_TOKENS"] = TOKENS[0]
    # On a busy machine SQLite's turn may come late; that is not what this is about.
    settings["CAREERS_USERS_DB_LOCK_TIMEOUT"] = "60"
    return stack.enter_context(Server(folder, "--threads", "6", **settings))


def rage(folder: Path, url: str, batches: list[Batch]) -> "Counter[str]":
    """Let all senders deliver while one of two servers is killed and replaced."""
    with ExitStack() as stack:
        doomed, other = (serve(stack, folder, url) for _ in range(2))
        ports = Ports([doomed.port, other.port])
        with Client(other.port) as client:
            for number in range(AUTHORS):
                assert client.register(f"author_{number}").status == 201

        def kill_and_replace() -> "Counter[str]":
            for _ in range(len(batches) // 4):
                assert ports.answered.acquire(timeout=live_server.PATIENCE)
            doomed.kill()
            ports.ports[0] = serve(stack, folder, url).port
            return Counter()

        def send_share(share: list[Batch]) -> "Counter[str]":
            tallies = (deliver(ports, batch, turn) for turn, batch in enumerate(share))
            return sum(tallies, Counter[str]())

        works: list[Callable[[], Counter[str]]] = [
            partial(send_share, batches[number::SENDERS]) for number in range(SENDERS)
        ]
        works.append(kill_and_replace)
        tally = sum(at_once(lambda work: work(), works), Counter[str]())
        assert "Traceback" not in other.log
    return tally


def test_a_storm_with_a_server_killed_in_it_ends_with_exact_numbers(
    database_url: str, tmp_path: Path
) -> None:
    dice = random.Random(5)
    events = story(dice)
    # Everything comes twice, in no order: the same event may be on its way to both
    # servers at once, and stand twice in one batch.
    deliveries = events * 2
    dice.shuffle(deliveries)
    starts = range(0, len(deliveries), BATCH_EVENTS)

    tally = rage(
        tmp_path,
        database_url,
        [deliveries[start : start + BATCH_EVENTS] for start in starts],
    )

    assert set(tally) == {"applied", "duplicate"}
    assert sum(tally.values()) == len(deliveries)
    # No reply said "applied" of a batch that was taken in but not answered.
    assert tally["applied"] <= len(events)
    names = "posts_count, likes_received, comments_received"
    rows = live_server.ask(
        database_url, f"SELECT user_id, {names} FROM user_counters ORDER BY user_id"
    )
    assert rows == expected(events)
    assert live_server.ask(database_url, "SELECT count(*) FROM activity_events") == [
        (len(events),)
    ]
    assert (
        live_server.ask(database_url, "SELECT * FROM activity_marks WHERE debt <> 0")
        == []
    )
