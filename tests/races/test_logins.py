"""S6: logins under way while the account changes leave no session behind.

Values read before the hash are compared again by the statement that writes the session.
"""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import live_server
from tests.live_server import Client, Reply, at_once

# One changes the account, eight log in.
RACERS = 9
ROUNDS = 5
NEW = {"password": "newpassword1", "password_confirm": "newpassword1"}
COMMANDS = (
    "auth revoke {}",
    "users deactivate {}",
    "users set-password {} --password-stdin",
)
_numbers = itertools.count(1)


def race(
    clients: list[Client], change: Callable[[Client, Reply], None]
) -> tuple[list[Reply], Reply]:
    """Log in with all clients but one while that one makes a change."""
    name = f"racer_{next(_numbers)}"
    user = clients[0].register(name)
    body = {"username": name, "password": "password123"}

    def work(client: Client) -> list[Reply]:
        if client is clients[0]:
            change(client, user)
            return []
        return [client.call("POST", "login/", body) for _ in range(3)]

    logins = list(itertools.chain(*at_once(work, clients[:RACERS])))
    codes = {r.body["code"] for r in logins if r.status != 200}
    assert codes <= {"invalid_credentials"}
    return [reply for reply in logins if reply.status == 200], user


def live_sessions(url: str, user: Reply) -> int:
    """Return how many sessions of a user have not ended."""
    statement = (
        "SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL"
        f" AND user_id = {user.body['user']['id']}"
    )
    found: int = live_server.ask(url, statement)[0][0]
    return found


def usable(client: Client, replies: list[Reply]) -> int:
    """Return how many of these logins have tokens that are good."""
    mine = [client.call("GET", "me/", token=r.body["access"]) for r in replies]
    return [reply.status for reply in mine].count(200)


def test_a_change_of_the_password_leaves_no_session_of_the_old_one(
    clients: list[Client], url: str
) -> None:
    """S6: the owner sees one session, that of the change."""

    def change(client: Client, user: Reply) -> None:
        body = {"old_password": "password123", **NEW}
        reply = client.call("POST", "me/password/", body, user.body["access"])
        assert reply.status == 200

    for _ in range(ROUNDS):
        logins, user = race(clients, change)
        assert usable(clients[1], logins) == 0
        assert live_sessions(url, user) == 1


@pytest.mark.parametrize(
    "words",
    ["auth revoke {}", "users deactivate {}", "users set-password {} --password-stdin"],
)
def test_an_operators_command_leaves_no_session_that_is_dead(
    clients: list[Client], url: str, tmp_path: Path, words: str
) -> None:
    """S6: every session that is listed has tokens that are good."""

    def change(_client: Client, user: Reply) -> None:
        command = words.format(user.body["user"]["username"]).split()
        settings = {
            "DATABASE_URL": url,
            "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY,
        }
        done = live_server.run(tmp_path, *command, stdin="newpassword1\n", **settings)
        assert done.returncode == 0, done.stderr

    logins, user = race(clients, change)
    good = usable(clients[1], logins)
    assert live_sessions(url, user) == good
    assert good == 0 or "revoke" in words
