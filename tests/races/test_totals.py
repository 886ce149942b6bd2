"""The number of all users while many come and go."""

from typing import Any

import pytest

from tests import live_server
from tests.live_server import PASSWORDS, Client, at_once

ROUNDS = 3
pytestmark = pytest.mark.usefixtures("exact_counters")


def test_it_is_exact_after_registrations_and_deletions_at_once(
    clients: list[Client], url: str
) -> None:
    before = live_server.ask(url, "SELECT count(*) FROM users")[0][0]

    def come_and_go(numbered: tuple[int, Client]) -> int:
        number, client = numbered
        stayed = 0
        for turn in range(ROUNDS):
            name = f"comer_{number}_{turn}"
            reply = client.register(name)
            assert reply.status == 201, reply
            stayed += 1
            if (number + turn) % 2:
                body: Any = {"password": PASSWORDS["password"]}
                token = reply.body["access"]
                gone = client.call("DELETE", "me/", body, token)
                assert gone.status == 200, gone
                stayed -= 1
        return stayed

    stayed = sum(at_once(come_and_go, list(enumerate(clients))))

    listed = clients[0].call("GET", "").body["batch_info"]["total_users"]
    assert listed == before + stayed
