"""The whole server killed in the middle of writing, and started again.

What was acknowledged is there, what was not is there wholly or not at all.
"""

import http.client
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests import served
from tests.served import Client, Server

Edge = tuple[str, str]

WRITERS = 4
ENOUGH = 50  # acknowledged writes until the server is killed
PROCESSES = "2" if hasattr(os, "fork") else "1"


@dataclass
class Journal:
    """What one client was told, in one life of the server."""

    refresh_tokens: dict[str, str] = field(default_factory=dict)
    edges: dict[Edge, bool] = field(default_factory=dict)  # whether it should be there
    unanswered: Edge | None = None

    def note(self, edge: Edge, is_there: bool) -> None:
        """Write down that a change of an edge was acknowledged."""
        self.edges[edge] = is_there
        self.unanswered = None


def test_a_killed_server_keeps_all_that_it_acknowledged(
    database_url: str, tmp_path: Path
) -> None:
    key = {"CAREERS_USERS_JWT_SECRET_KEY": served.KEY}
    settings = {"DATABASE_URL": database_url, **key}
    words = ("--processes", PROCESSES)
    journals: list[Journal] = []
    names = itertools.count(1)
    for star in ("star_of_life_one", "star_of_life_two"):
        with Server(tmp_path, *words, **settings) as server:
            with Client(server.port) as client:
                assert_sessions_go_on(client, journals)
                assert client.register(star).status == 201
            journals += write_until_killed(server, star, names)
        assert_nothing_is_lost(database_url, journals)


def assert_sessions_go_on(client: Client, journals: list[Journal]) -> None:
    """Hold: who was signed in before the crash still is."""
    for journal in journals:
        for username, token in journal.refresh_tokens.items():
            refreshed = client.call("POST", "token/refresh/", {"refresh": token})
            profile = client.call("GET", "me/", token=refreshed.body["access"])
            assert profile.body["username"] == username


def write_until_killed(
    server: Server, star: str, names: "itertools.count[int]"
) -> list[Journal]:
    """Let clients write, kill the server meanwhile; return what they were told."""
    acknowledged = threading.Semaphore(0)
    journals = [Journal() for _ in range(WRITERS)]
    port = server.port
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [
            pool.submit(write, port, star, names, journal, acknowledged)
            for journal in journals
        ]
        for _ in range(ENOUGH):
            assert acknowledged.acquire(timeout=served.PATIENCE), server.log
        server.kill()
        for writer in writers:
            writer.result()
    return journals


def write(
    port: int,
    star: str,
    names: "itertools.count[int]",
    journal: Journal,
    acknowledged: threading.Semaphore,
) -> None:
    """Register, follow and unfollow until the server is gone."""
    username = star
    with suppress(OSError, http.client.HTTPException), Client(port) as client:
        while True:
            previous, username = username, f"writer_{next(names)}"
            reply = client.register(username)
            assert reply.status == 201
            journal.refresh_tokens[username] = reply.body["refresh"]
            acknowledged.release()
            token = reply.body["access"]
            for other in {star, previous}:
                journal.unanswered = (username, other)
                followed = client.call("POST", "follow/", {"username": other}, token)
                assert followed.status == 201
                journal.note((username, other), True)
                acknowledged.release()
            journal.unanswered = (username, previous)
            unfollowed = client.call("DELETE", f"{previous}/unfollow/", None, token)
            assert unfollowed.status == 200
            journal.note((username, previous), False)
            acknowledged.release()


def assert_nothing_is_lost(url: str, journals: list[Journal]) -> None:
    """Compare the database with what the clients were told."""
    if url.startswith("sqlite"):
        assert served.ask(url, "PRAGMA integrity_check") == [("ok",)]
        assert served.ask(url, "PRAGMA foreign_key_check") == []
    assert served.wrong_counters(url) == []
    users = {name for (name,) in served.ask(url, "SELECT username FROM users")}
    follower, following = "users AS follower", "users AS following"
    rows = served.ask(
        url,
        f"SELECT follower.username, following.username FROM follows "
        f"JOIN {follower} ON follower.id = follower_id "
        f"JOIN {following} ON following.id = following_id",
    )
    for journal in journals:
        assert users >= journal.refresh_tokens.keys()
    unanswered = {journal.unanswered for journal in journals}
    told = {
        edge: there for journal in journals for edge, there in journal.edges.items()
    }
    expected = {edge for edge, there in told.items() if there}
    assert expected - unanswered == set(rows) - unanswered
