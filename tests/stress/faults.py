"""Faults around the service in these tests, and the replies that it may give then."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests import live_server, postgres
from tests.conftest import KINDS, driver_url, migrate
from tests.stress.load import Caller, Outcome, Work, Writer

# Seconds beyond a time limit in which its 503 must have come, on a busy machine.
MARGIN = 2


def workers(parent: int) -> set[int]:
    """Return the numbers of the processes that a server of several has made."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return {int(pid) for pid in children.split()}


def waited(*pids: int) -> float:
    """Return for how many seconds processes were ready and had no processor.

    That is what the machine did for others meanwhile (proc(5): schedstat).
    """
    stats = [Path(f"/proc/{pid}/schedstat").read_text().split() for pid in pids]
    return sum(int(waited) for _, waited, *_ in stats) / 1e9


def wait_for_workers(parent: int, count: int, without: int) -> None:
    """Wait until a server has so many processes, and that one is not among them."""
    live_server.until(lambda: len(workers(parent) - {without}) == count)


def readers(star: str, count: int) -> list[Work]:
    """Return works that read all that needs no token, again and again."""
    paths = ("", f"{star}/", f"{star}/stats/", f"{star}/followers/", f"?search={star}")

    def read(caller: Caller) -> Iterator[Outcome]:
        for path in paths:
            yield caller.call("GET", path)

    return [read] * count


def assert_documented(outcomes: Iterable[Outcome], *statuses: int) -> None:
    """Hold outcomes to these statuses, and 503 to what the contract says of it.

    Without 503 among them it is as wrong as any other.
    """
    for outcome in outcomes:
        assert outcome.status in statuses, outcome
        assert outcome.is_json, outcome
        if outcome.status == 503:
            assert outcome.body.keys() == {"error", "code", "details"}, outcome
            assert outcome.body["code"] == "service_unavailable", outcome
            assert int(outcome.retry_after or 0) in range(1, 61), outcome


def assert_sessions_go_on(caller: Caller, writers: Iterable[Writer]) -> None:
    """Assert that all who were signed in still are."""
    for writer in writers:
        for username, token in writer.users.items():
            refreshed = caller.call("POST", "token/refresh/", {"refresh": token})
            assert refreshed.status == 200, refreshed
            profile = caller.call("GET", "me/", token=refreshed.body["access"])
            assert profile.body["username"] == username


def assert_nothing_by_halves(url: str, *writers: Writer) -> None:
    """Compare the database at `url` with what these, its only writers, have tried.

    It has no edge that none of them made, and no user without a session.
    """
    edges = live_server.ask(
        url,
        "SELECT a.username, b.username FROM follows"
        " JOIN users AS a ON a.id = follower_id"
        " JOIN users AS b ON b.id = following_id",
    )
    tried = {edge for writer in writers for edge in (*writer.edges, *writer.unknown)}
    assert set(edges) <= tried
    without = "SELECT 1 FROM refresh_tokens WHERE user_id = users.id"
    halves = f"SELECT username FROM users WHERE NOT EXISTS ({without})"
    assert live_server.ask(url, halves) == []


@contextmanager
def own_postgresql(folder: Path) -> Iterator[postgres.Server]:
    """Start what the fixture of that name is; the test is skipped if that is unwanted.

    Unlike the server of the other tests it acknowledges a commit only when it has
    written it down, as PostgreSQL does by default.
    """
    if "postgresql" not in KINDS:
        pytest.skip("PostgreSQL is left out of this run; the header says so")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TEST_DATABASE_URL", raising=False)
        with postgres.server(folder) as server:
            server.configure(synchronous_commit="on")
            migrate(driver_url(server.create("template")))
            yield server


def order(url: str, *statements: str) -> None:
    """Give orders to a PostgreSQL database."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def prepare(port: int) -> str:
    """Register the star and a member; return the member's access token."""
    with Caller(port) as caller:
        assert caller.register("star").status == 201
        return str(caller.register("member").body["access"])
