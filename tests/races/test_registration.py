"""Two servers on one database, and many clients that want the same at once.

Whatever the order in which things happen: the replies that are documented, no others,
and afterwards counters that equal their rows.
"""

import itertools
import random
from collections import Counter
from typing import NamedTuple

import pytest

from tests import live_server
from tests.live_server import Client, Reply, at_once
from tests.races.conftest import CLIENTS
from tests.races.two_servers import outcomes

STORM_OPERATIONS = 15  # of each client
pytestmark = pytest.mark.usefixtures("exact_counters")
three_times = pytest.mark.parametrize("turn", range(3))
_numbers = itertools.count(1)


class User(NamedTuple):
    """A registered user."""

    id: int
    username: str
    access: str
    refresh: str


@pytest.fixture(scope="module")
def users(clients: list[Client]) -> list[User]:
    """Four users, each with one session."""
    return [register(clients[0]) for _ in range(4)]


def register(client: Client) -> User:
    """Register a user of a new name."""
    reply = client.register(f"user_{next(_numbers)}")
    assert reply.status == 201
    user = reply.body["user"]
    tokens = reply.body["access"], reply.body["refresh"]
    return User(user["id"], user["username"], *tokens)


@three_times
def test_one_of_all_who_want_a_username_gets_it(
    clients: list[Client], url: str, turn: int
) -> None:
    spellings = [f"Wanted_{turn}", f"wanted_{turn}"]

    def register(numbered: tuple[int, Client]) -> Reply:
        number, client = numbered
        body = {
            "username": spellings[number % 3 % 2],
            "email": f"wanted_{turn}_{number}@example.com",
        }
        return client.call("POST", "register/", body | live_server.PASSWORDS)

    replies = at_once(register, list(enumerate(clients)))

    assert outcomes(replies) == {201: 1, "username_taken": CLIENTS - 1}
    winner = next(reply for reply in replies if reply.status == 201)
    rows = live_server.ask(
        url, f"SELECT id, username FROM users WHERE username_key = '{spellings[1]}'"
    )
    assert rows == [(winner.body["user"]["id"], winner.body["user"]["username"])]


@three_times
def test_one_of_all_who_want_an_email_address_gets_it(
    clients: list[Client], turn: int
) -> None:
    def register(numbered: tuple[int, Client]) -> Reply:
        number, client = numbered
        body = {
            "username": f"shared_{turn}_{number}",
            "email": f"shared_{turn}@example.com",
        }
        return client.call("POST", "register/", body | live_server.PASSWORDS)

    replies = at_once(register, list(enumerate(clients)))

    assert outcomes(replies) == {201: 1, "email_taken": CLIENTS - 1}


@three_times
def test_one_of_all_follows_of_a_pair_succeeds_and_one_of_all_unfollows(
    clients: list[Client], users: list[User], turn: int
) -> None:
    token, star = users[turn].access, users[3]
    body = {"following": star.id}
    path = f"{star.username}/unfollow/"

    follows = at_once(lambda c: c.call("POST", "follow/", body, token), clients)
    unfollows = at_once(lambda c: c.call("DELETE", path, None, token), clients)

    assert outcomes(follows) == {201: 1, "already_following": CLIENTS - 1}
    assert outcomes(unfollows) == {200: 1, "not_following": CLIENTS - 1}


@three_times
def test_all_refreshes_of_one_token_succeed(
    clients: list[Client], users: list[User], url: str, turn: int
) -> None:
    body = {"refresh": users[turn].refresh}
    # A session that was not used lately, so that all of them also write its last use.
    long_ago = "2024-01-15 10:30:00+00:00"
    live_server.ask(url, f"UPDATE refresh_tokens SET last_used_at = '{long_ago}'")

    replies = at_once(lambda c: c.call("POST", "token/refresh/", body), clients)

    assert outcomes(replies) == {200: CLIENTS}
    profiles = [
        clients[0].call("GET", "me/", token=reply.body["access"]) for reply in replies
    ]
    assert outcomes(profiles) == {200: CLIENTS}


@three_times
def test_logout_leaves_no_token_of_the_session_good(
    clients: list[Client], turn: int
) -> None:
    user = register(clients[turn])
    body = {"refresh": user.refresh}

    def log_out_or_refresh(client: Client) -> list[Reply]:
        if client is clients[-1]:
            return [client.call("POST", "logout/", body, user.access)]
        return [client.call("POST", "token/refresh/", body) for _ in range(4)]

    *refreshes, logout = at_once(log_out_or_refresh, clients)

    assert outcomes(logout) == {200: 1}
    answers = list(itertools.chain(*refreshes))
    assert set(outcomes(answers)) <= {200, "token_invalid"}
    tokens = [reply.body["access"] for reply in answers if reply.status == 200]
    pairs = list(zip(itertools.cycle(clients), [user.access, *tokens], strict=False))
    profiles = [client.call("GET", "me/", token=token) for client, token in pairs]
    assert outcomes(profiles) == {"token_revoked": len(pairs)}
    late = [client.call("POST", "token/refresh/", body) for client in clients[:2]]
    assert outcomes(late) == {"token_invalid": 2}


@three_times
def test_all_logouts_of_one_session_end_it(clients: list[Client], turn: int) -> None:
    user = register(clients[turn])
    body = {"refresh": user.refresh}

    replies = at_once(lambda c: c.call("POST", "logout/", body, user.access), clients)

    assert outcomes(replies)[200] >= 1
    # Later calls are refused: the Bearer is no longer good.
    assert set(outcomes(replies)) <= {200, "token_revoked"}


@three_times
def test_all_changes_of_one_profile_at_once_are_kept(
    clients: list[Client], users: list[User], turn: int
) -> None:
    user = users[turn]
    values = {name: f"{name} of turn{turn}" for name in ("first_name", "last_name")}
    values |= {"bio": f"bio of turn{turn}", "email": f"turn_{turn}@example.com"}

    def change(numbered: tuple[int, Client]) -> Reply:
        number, client = numbered
        name = list(values)[number % 4]
        return client.call("PATCH", "me/update/", {name: values[name]}, user.access)

    replies = at_once(change, list(enumerate(clients)))

    assert outcomes(replies) == {200: CLIENTS}
    profile = clients[0].call("GET", "me/", token=user.access).body
    assert {name: profile[name] for name in values} == values
    # The searched text is made of several of them, and must not be without any.
    for term in ("first_name", "last_name", "bio"):
        path = f"?search={term}+of+turn{turn}"
        found = clients[0].call("GET", path).body["users"]
        assert [card["id"] for card in found] == [user.id]


@three_times
def test_a_storm_of_mutual_follows_leaves_exact_counters(
    clients: list[Client], users: list[User], url: str, turn: int
) -> None:
    before = live_server.ask(url, "SELECT count(*) FROM follows")[0][0]

    def storm(numbered: tuple[int, Client]) -> "Counter[tuple[str, int]]":
        number, client = numbered
        choose = random.Random(turn * CLIENTS + number)
        seen: Counter[tuple[str, int]] = Counter()
        for _ in range(STORM_OPERATIONS):
            one, other = choose.sample(users, 2)
            if choose.random() < 0.5:
                body = {"following": other.id}
                reply = client.call("POST", "follow/", body, one.access)
            else:
                path = f"{other.username}/unfollow/"
                reply = client.call("DELETE", path, None, one.access)
            seen[reply.body.get("code", "done"), reply.status] += 1
        return seen

    seen = sum(at_once(storm, list(enumerate(clients))), Counter[tuple[str, int]]())

    assert set(seen) == {
        ("done", 201),
        ("already_following", 409),
        ("done", 200),
        ("not_following", 404),
    }
    after = live_server.ask(url, "SELECT count(*) FROM follows")[0][0]
    assert after - before == seen["done", 201] - seen["done", 200]
