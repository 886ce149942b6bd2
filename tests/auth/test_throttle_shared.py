"""Two servers with one limit: whoever guesses at both at once has no more tries."""

from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests import live_server
from tests.live_server import Client, Reply, Server, at_once

TRIES = 40
LIMIT = 10


def test_forty_guesses_at_once_are_ten_tries(database_url: str, tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": database_url,
        "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY,
        "CAREERS_USERS_RATELIMIT_ENABLED": "true",
        "CAREERS_USERS_RATELIMIT_LOGIN": f"{LIMIT}/5minutes",
    }
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Server(tmp_path, "--threads", "8", **settings))
            for _ in range(2)
        ]
        clients = [
            stack.enter_context(Client(servers[number % 2].port))
            for number in range(TRIES)
        ]
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
        assert "Traceback" not in servers[0].log + servers[1].log
