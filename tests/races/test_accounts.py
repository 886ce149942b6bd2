"""Two servers on one database: rotations of one token, and accounts that end meanwhile.

Whatever the order in which things happen: the replies that are documented, no others,
and afterwards counters that equal their rows.
"""

import itertools
import random
from functools import partial
from typing import Any

import pytest

from tests import live_server
from tests.auth.stored import claims_of
from tests.live_server import Client, Reply, at_once
from tests.races.conftest import CLIENTS
from tests.races.two_servers import outcomes

pytestmark = pytest.mark.usefixtures("exact_counters")
three_times = pytest.mark.parametrize("turn", range(3))


def rotate(client: Client, token: str) -> Reply:
    """Rotate a refresh token."""
    return client.call("POST", "token/refresh/", {"refresh": token, "rotate": True})


def own_profile(pair: tuple[Client, Reply]) -> Reply:
    """Use the access token of a reply."""
    client, reply = pair
    return client.call("GET", "me/", token=reply.body["access"])


@three_times
def test_all_rotations_of_one_token_are_one(
    clients: list[Client], url: str, turn: int
) -> None:
    token = clients[0].register(f"rotator_{turn}").body["refresh"]
    sid = claims_of(token)["sid"]
    for generation in (2, 3):
        replies = at_once(partial(rotate, token=token), clients)

        assert outcomes(replies) == {200: CLIENTS}
        generations = {claims_of(reply.body["refresh"])["gen"] for reply in replies}
        assert generations == {generation}
        stored = f"SELECT generation FROM refresh_tokens WHERE id = '{sid}'"
        assert live_server.ask(url, stored) == [(generation,)]
        # All of them may be used, at once, and by each of the servers.
        pairs = list(zip(clients[1:] + clients[:1], replies, strict=True))
        profiles = at_once(own_profile, pairs)
        assert outcomes(profiles) == {200: CLIENTS}
        token = replies[turn].body["refresh"]


@three_times
def test_a_reuse_ends_the_session_once_beside_others(
    clients: list[Client], url: str, turn: int
) -> None:
    user = clients[0].register(f"robbed_{turn}").body
    stolen = rotate(clients[0], user["refresh"]).body
    newest = rotate(clients[0], stolen["refresh"]).body

    def work(numbered: tuple[int, Client]) -> Reply:
        number, client = numbered
        old = number % 2 == 0
        return rotate(client, user["refresh"] if old else newest["refresh"])

    replies = at_once(work, list(enumerate(clients)))

    assert set(outcomes(replies[::2])) == {"token_invalid"}
    assert set(outcomes(replies[1::2])) <= {200, "token_invalid"}
    pairs = [newest, *(reply.body for reply in replies if reply.status == 200)]
    for pair in pairs:
        reply = clients[1].call("GET", "me/", token=pair["access"])
        assert reply.body["code"] == "token_revoked"
        assert rotate(clients[1], pair["refresh"]).status == 401
    reused = (
        "SELECT count(*) FROM security_events WHERE event = 'refresh_reused'"
        f" AND user_id = {user['user']['id']}"
    )
    assert live_server.ask(url, reused) == [(1,)]


@three_times
def test_accounts_end_amid_a_storm_of_follows(
    clients: list[Client], url: str, turn: int
) -> None:
    users = [clients[n].register(f"storm_{turn}_{n}").body for n in range(8)]

    def storm(numbered: tuple[int, Client]) -> list[Reply]:
        number, client = numbered
        choose = random.Random(turn * CLIENTS + number)
        replies = []
        for step in range(12):
            one, other = choose.sample(users, 2)
            if number < 4 and step == 4:  # Four of the eight go, all at once.
                body = {"password": "password123"}
                replies.append(
                    client.call("DELETE", "me/", body, users[number]["access"])
                )
            elif choose.random() < 0.7:
                body = {"following": other["user"]["id"]}
                replies.append(client.call("POST", "follow/", body, one["access"]))
            else:
                path = f"{other['user']['username']}/unfollow/"
                replies.append(client.call("DELETE", path, None, one["access"]))
        return replies

    seen = outcomes(list(itertools.chain(*at_once(storm, list(enumerate(clients))))))

    expected = {"already_following", "not_following", "user_not_found", "token_revoked"}
    assert set(seen) <= {200, 201} | expected
    names = ", ".join(f"'{user['user']['username']}'" for user in users)
    left = live_server.ask(
        url, f"SELECT count(*) FROM users WHERE username IN ({names})"
    )
    assert left == [(4,)]


def test_a_name_is_not_to_be_had_in_the_moment_its_account_ends(
    clients: list[Client],
) -> None:
    for turn in range(4):
        access = clients[0].register(f"wanted_{turn}").body["access"]

        def work(
            numbered: tuple[int, Client], turn: int = turn, access: str = access
        ) -> Reply:
            number, client = numbered
            if number == 0:
                body = {"password": "password123"}
                return client.call("DELETE", "me/", body, access)
            email = f"wanted_{turn}_{number}@example.com"
            body = {"username": f"wanted_{turn}", "email": email}
            return client.call("POST", "register/", body | live_server.PASSWORDS)

        deleted, *registered = at_once(work, list(enumerate(clients)))
        assert deleted.status == 200
        assert set(outcomes(registered)) == {"username_taken"}


def test_a_login_in_the_moment_the_account_ends_is_good_before_or_refused(
    clients: list[Client],
) -> None:
    for turn in range(3):
        access = clients[0].register(f"leaving_{turn}").body["access"]
        login = {"username": f"leaving_{turn}", "password": "password123"}

        def work(client: Client, login: Any = login, access: str = access) -> Reply:
            if client is clients[0]:
                body = {"password": "password123"}
                return client.call("DELETE", "me/", body, access)
            return client.call("POST", "login/", login)

        deleted, *logins = at_once(work, clients)
        assert deleted.status == 200
        assert set(outcomes(logins)) <= {200, "invalid_credentials"}
        for reply in logins:
            if reply.status == 200:
                token = reply.body["access"]
                late = clients[1].call("GET", "me/", token=token)
                assert late.body["code"] == "token_revoked"
