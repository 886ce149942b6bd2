"""Two servers with one limit: guesses at both at once are no more tries."""

from collections import Counter
from functools import partial
from pathlib import Path

from tests import live_server
from tests.live_server import Client, Reply, at_once
from tests.races.two_servers import two_servers

TRIES = 40
LIMIT = 10


def test_forty_guesses_at_once_are_ten_tries(database_url: str, tmp_path: Path) -> None:
    settings = {
        "CAREERS_USERS_RATELIMIT_ENABLED": "true",
        "CAREERS_USERS_RATELIMIT_LOGIN": f"{LIMIT}/5minutes",
    }
    with two_servers(tmp_path, database_url, TRIES, **settings) as (_, clients):
        assert clients[0].register("alice").status == 201

        def guess(numbered: tuple[int, Client], name: str = "alice") -> Reply:
            number, client = numbered
            body = {"username": name, "password": f"guess {number}"}
            return client.call("POST", "login/", body)

        for name in ("alice", "nobody"):
            work = partial(guess, name=name)
            replies = at_once(work, list(enumerate(clients)))
            assert Counter(reply.status for reply in replies) == {
                401: LIMIT,
                429: TRIES - LIMIT,
            }, name
        counted = live_server.ask(database_url, "SELECT max(used) FROM throttle")
        assert counted == [(2 * LIMIT,)], "by address; refused tries are not counted"
