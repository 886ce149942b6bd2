"""The ways to change an edge at once, on two servers, and events of the same users.

Whatever the order: the replies that are documented, and books that are exact.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from careers_users.validation.limits import BASE_PATH
from tests import live_server
from tests.live_server import Client, at_once
from tests.post_events.posts_service import BATCH, TOKENS, event
from tests.races.two_servers import outcomes, two_servers

CLIENTS = 16
USERS = 4
OPERATIONS = 15  # of each client


class User(NamedTuple):
    """A registered user."""

    id: int
    username: str
    access: str


class Storm(NamedTuple):
    """Clients of two servers, and the users they act for."""

    url: str
    ports: list[int]
    clients: list[Client]
    users: list[User]


@pytest.fixture
def storm(database_url: str, tmp_path: Path) -> Iterator[Storm]:
    """Clients, connected in turn to one and to the other of two servers."""
    settings = {
        "CAREERS_USERS_EVENTS_TOKENS": TOKENS[0],
        # On a busy machine SQLite's turn may come late; that is not what this is about.
        "CAREERS_USERS_DB_LOCK_TIMEOUT": "60",
    }
    with two_servers(tmp_path, database_url, CLIENTS, **settings) as both:
        users = []
        for number in range(USERS):
            body = both.clients[0].register(f"user_{number}").body
            users.append(User(body["user"]["id"], f"user_{number}", body["access"]))
        yield Storm(database_url, both.ports, both.clients, users)
        assert live_server.wrong_counters(database_url) == []


def test_one_of_all_puts_is_new_and_one_of_all_removals_succeeds(storm: Storm) -> None:
    one, other = storm.users[:2]
    for _ in range(3):
        puts = at_once(
            lambda c: c.call("PUT", "user_1/follow/", None, one.access), storm.clients
        )
        removals = at_once(
            lambda c: c.call("DELETE", "me/followers/user_0/", None, other.access),
            storm.clients,
        )
        assert outcomes(puts) == {201: 1, 200: CLIENTS - 1}
        # All of them were shown the same edge.
        assert len({reply.body["id"] for reply in puts}) == 1
        assert outcomes(removals) == {200: 1, "not_a_follower": CLIENTS - 1}


def test_all_ways_at_once_leave_exact_counters(storm: Storm) -> None:
    before = live_server.ask(storm.url, "SELECT count(*) FROM follows")[0][0]

    def change(numbered: tuple[int, Client]) -> Counter[tuple[str, int, bool]]:
        number, client = numbered
        choose = random.Random(number)
        seen: Counter[tuple[str, int, bool]] = Counter()
        for _ in range(OPERATIONS):
            one, other = choose.sample(storm.users, 2)
            method, path = choose.choice(
                [
                    ("PUT", f"{other.username}/follow/"),
                    ("PUT", f"{other.username}/follow/"),
                    ("DELETE", f"{other.username}/follow/"),
                    ("DELETE", f"me/followers/{other.username}/"),
                ]
            )
            reply = client.call(method, path, None, one.access)
            ended = str(reply.body.get("message", "")).startswith(("Stopped", "user_"))
            seen[method, reply.status, ended] += 1
            if number % 4 == 0:
                send_likes(storm, number)
        return seen

    tallies = at_once(change, list(enumerate(storm.clients)))
    seen = sum(tallies, Counter[tuple[str, int, bool]]())

    kinds = {("PUT", 201, False), ("PUT", 200, False), ("DELETE", 200, True)}
    assert set(seen) == kinds | {("DELETE", 200, False), ("DELETE", 404, False)}
    after = live_server.ask(storm.url, "SELECT count(*) FROM follows")[0][0]
    assert after - before == seen["PUT", 201, False] - seen["DELETE", 200, True]
    likes = live_server.ask(storm.url, "SELECT likes_received FROM user_counters")
    assert likes == [(CLIENTS // 4 * OPERATIONS,)] * USERS


def send_likes(storm: Storm, number: int) -> None:
    """Send a like of each user's posts, as a batch in falling order of their ids."""
    batch = [event("like.added", user.id) for user in reversed(storm.users)]
    headers = {"Content-Type": BATCH, "Authorization": f"Bearer {TOKENS[0]}"}
    port = storm.ports[number // 4 % 2]
    connection = HTTPConnection("127.0.0.1", port, live_server.PATIENCE)
    connection.request("POST", f"{BASE_PATH}/events/", json.dumps(batch), headers)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    response.read()
    connection.close()
