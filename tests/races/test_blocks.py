"""Blocks at once with follows, blocks, deletions and walks, on two servers.

Two at once, then both answered: the block stands, no edge does, and counters equal
their rows.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from tests import live_server
from tests.live_server import PASSWORDS, Client, Reply, at_once

ROUNDS = 6
OPERATIONS = 12  # of each client
FANS = 40
pytestmark = pytest.mark.usefixtures("exact_counters")


class User(NamedTuple):
    """A registered user."""

    id: int
    username: str
    access: str

    def call(self, client: Client, method: str, path: str) -> Reply:
        """Make a call as this user."""
        return client.call(method, path, None, self.access)


def register(clients: Sequence[Client], prefix: str, number: int) -> list[User]:
    """Register users with names that begin like this."""
    names = [f"{prefix}_{each}" for each in range(number)]
    users = []
    for n, name in enumerate(names):
        body = clients[n % len(clients)].register(name).body
        users.append(User(body["user"]["id"], name, body["access"]))
    return users


def edges_and_blocks(url: str, one: User, other: User) -> tuple[int, int]:
    """Return how many edges and blocks there are between two users."""
    pair = f"({one.id}, {other.id})"
    found = [
        live_server.ask(
            url,
            f"SELECT count(*) FROM {table} WHERE {a} IN {pair} AND {b} IN {pair}",
        )[0][0]
        for table, a, b in (
            ("follows", "follower_id", "following_id"),
            ("blocks", "blocker_id", "blocked_id"),
        )
    ]
    return found[0], found[1]


def test_block_and_follow_of_either_side(url: str, clients: list[Client]) -> None:
    users = register(clients, "pair", 2 * ROUNDS)
    outcomes: Counter[int | str] = Counter()
    for one, other in zip(users[::2], users[1::2], strict=True):
        calls = [
            (one, "PUT", f"{other.username}/follow/"),
            (other, "PUT", f"{one.username}/follow/"),
            (one, "PUT", f"{other.username}/block/"),
            (one, "DELETE", f"{other.username}/follow/"),
            (other, "DELETE", f"me/followers/{one.username}/"),
        ]
        turns = [calls[n % len(calls)] for n in range(len(clients))]
        replies = at_once(
            lambda turn: turn[1][0].call(turn[0], *turn[1][1:]),
            list(zip(clients, turns, strict=True)),
        )
        for (_, method, path), reply in zip(turns, replies, strict=True):
            if path.endswith("block/"):
                assert reply.status == 200
            elif method == "PUT":
                code = reply.body.get("code", reply.status)
                assert code in (200, 201, "blocking", "user_not_found"), reply
                outcomes[code] += 1
        assert edges_and_blocks(url, one, other) == (0, 1)
    assert outcomes["blocking"], outcomes
    assert outcomes["user_not_found"], outcomes


def test_both_block_each_other(url: str, clients: list[Client]) -> None:
    users = register(clients, "both", 2 * ROUNDS)
    for pair in zip(users[::2], users[1::2], strict=True):
        for one, other in (pair, pair[::-1]):
            one.call(clients[0], "PUT", f"{other.username}/follow/")

        def block(
            numbered: tuple[int, Client], pair: tuple[User, User] = pair
        ) -> Reply:
            one, other = pair if numbered[0] % 2 else pair[::-1]
            return one.call(numbered[1], "PUT", f"{other.username}/block/")

        replies = at_once(block, list(enumerate(clients)))
        assert {reply.status for reply in replies} == {200}
        assert edges_and_blocks(url, *pair) == (0, 2)


CHANGES = [
    *[("PUT", "{}/follow/")] * 2,
    ("DELETE", "{}/follow/"),
    ("DELETE", "me/followers/{}/"),
    ("PUT", "{}/block/"),
    ("DELETE", "{}/block/"),
    ("PUT", "{}/mute/"),
    ("DELETE", "{}/mute/"),
]


def test_all_changes_at_once(url: str, clients: list[Client]) -> None:
    users = register(clients, "storm", 4)

    def change(numbered: tuple[int, Client]) -> Counter[int]:
        number, client = numbered
        choose = random.Random(number)
        seen: Counter[int] = Counter()
        for _ in range(OPERATIONS):
            one, other = choose.sample(users, 2)
            method, path = choose.choice(CHANGES)
            reply = one.call(client, method, path.format(other.username))
            if path.endswith(("block/", "mute/")):
                assert reply.status == 200, reply
            seen[reply.status] += 1
        return seen

    seen = sum(at_once(change, list(enumerate(clients))), Counter[int]())
    assert set(seen) <= {200, 201, 404, 409}, seen
    forbidden = live_server.ask(
        url,
        "SELECT count(*) FROM follows JOIN blocks ON"
        " (follower_id, following_id) IN"
        " ((blocker_id, blocked_id), (blocked_id, blocker_id))",
    )
    assert forbidden == [(0,)]
    unflagged = live_server.ask(
        url,
        "SELECT count(*) FROM users JOIN blocks ON users.id IN"
        " (blocker_id, blocked_id) WHERE NOT has_blocks",
    )
    assert unflagged == [(0,)]


def test_deletion_beside_blocks_mutes_and_follows(
    url: str, clients: list[Client]
) -> None:
    others = register(clients, "other", 3)
    for gone in register(clients, "gone", ROUNDS):

        def act(numbered: tuple[int, Client], gone: User = gone) -> Reply:
            number, client = numbered
            if number == 5:
                password = {"password": PASSWORDS["password"]}
                return client.call("DELETE", "me/", password, gone.access)
            other = others[number % 3]
            call = ("block", "mute", "follow")[number // 3 % 3]
            if number % 2:
                return gone.call(client, "PUT", f"{other.username}/{call}/")
            return other.call(client, "PUT", f"{gone.username}/{call}/")

        replies = at_once(act, list(enumerate(clients)))
        assert {reply.status for reply in replies} <= {200, 201, 401, 404, 409}
        assert replies[5].status == 200
        for table, ends in (
            ("blocks", ("blocker_id", "blocked_id")),
            ("mutes", ("muter_id", "muted_id")),
            ("follows", ("follower_id", "following_id")),
        ):
            condition = " OR ".join(f"{end} = {gone.id}" for end in ends)
            statement = f"SELECT count(*) FROM {table} WHERE {condition}"
            assert live_server.ask(url, statement) == [(0,)], table


def test_a_walk_beside_blocks_meets_each_who_is_visible_once(
    clients: list[Client],
) -> None:
    (star, viewer, *fans) = register(clients, "fan", FANS + 2)
    for fan in fans:
        fan.call(clients[0], "PUT", f"{star.username}/follow/")
    # Every fourth is blocked and unblocked, and follows anew, meanwhile.
    restless = fans[::4]
    steady = {fan.username for fan in fans} - {fan.username for fan in restless}

    def act(numbered: tuple[int, Client]) -> list[str]:
        number, client = numbered
        if number >= len(clients) // 2:
            return walk(client, viewer, f"{star.username}/followers/?batch_size=3")
        fan = restless[number % len(restless)]
        for _ in range(3):
            viewer.call(client, "PUT", f"{fan.username}/block/")
            fan.call(client, "DELETE", f"{star.username}/follow/")
            viewer.call(client, "DELETE", f"{fan.username}/block/")
            fan.call(client, "PUT", f"{star.username}/follow/")
        return []

    walks = at_once(act, list(enumerate(clients)))
    for met in walks[len(clients) // 2 :]:
        assert len(met) == len(set(met)), "none twice"
        assert steady <= set(met), "each who was visible throughout"


def walk(client: Client, viewer: User, path: str) -> list[str]:
    """Follow `next` to the end of a list; return whom it met."""
    met: list[str] = []
    while path:
        reply = viewer.call(client, "GET", path)
        assert reply.status == 200
        met += [row["username"] for row in reply.body["results"]]
        path = (reply.body["next"] or "").removeprefix("/careers/users/")
    return met
