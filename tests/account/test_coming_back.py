"""Edges that come back from the park while others change the same edges."""

import itertools
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from careers_users.account import parking
from careers_users.database.query import _QuickTransaction
from careers_users.follow import edges as follow_edges
from tests.account.suspending import edges, follow, parked, restore, suspend
from tests.api import PASSWORD, Account, Api
from tests.live_server import ask, until, wrong_counters

WAITING = (
    "SELECT 1 FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def friends(api: Api, app: Flask) -> list[Account]:
    """Three users, each of whom follows all others; the first is suspended."""
    users = [api.register(name) for name in ("alice", "bob", "carol")]
    for one, other in itertools.permutations(users, 2):
        follow(api, one, other)
    suspend(app, users[0])
    return users


@pytest.fixture
def visible(app: Flask, friends: list[Account]) -> None:
    """Restore the first user, and leave the edges parked for now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parking, "settle", lambda *_: None)
        restore(app, friends[0])


@pytest.mark.usefixtures("visible")
def test_a_follow_under_way_and_the_edge_that_comes_back_wait_in_one_order(
    api: Api,
    app: Flask,
    friends: list[Account],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice, bob, _ = friends
    started: list[Future[object]] = []
    defer = _QuickTransaction.defer

    def counting(self: Any, query: Any, **values: Any) -> None:
        if query is follow_edges.COUNT and not started:
            started.append(pool.submit(restore, app, alice))
            if not database_url.startswith("sqlite"):
                until(lambda: ask(database_url, WAITING))
        defer(self, query, **values)

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(_QuickTransaction, "defer", counting)
        reply = api.post("follow/", {"following": alice.id}, token=bob.access)
        started[0].result()
    assert reply.status_code == 201
    assert len(edges(database_url)) == len({*edges(database_url)}) == 6
    assert parked(database_url) == []
    assert wrong_counters(database_url) == []


def test_an_edge_does_not_come_back_to_a_user_who_is_suspended_meanwhile(
    app: Flask,
    friends: list[Account],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice, bob, carol = friends
    lock = parking.lock_counters

    def locking(user_ids: Any) -> None:
        monkeypatch.undo()
        pool.submit(suspend, app, bob).result()
        lock(user_ids)

    with ThreadPoolExecutor(1) as pool:
        if database_url.startswith("sqlite"):  # No other transaction comes between.
            suspend(app, bob)
        else:
            monkeypatch.setattr(parking, "lock_counters", locking)
        restore(app, alice)
    pair = {alice.id, carol.id}
    assert {frozenset(edge) for edge in edges(database_url)} == {frozenset(pair)}
    assert len(parked(database_url)) == 4
    assert wrong_counters(database_url) == []
    restore(app, bob)
    assert len(edges(database_url)) == 6
    assert wrong_counters(database_url) == []


ENDINGS: list[tuple[str, str, bool]] = [
    ("DELETE", "alice/follow/", True),
    ("DELETE", "alice/unfollow/", True),
    ("DELETE", "me/followers/alice/", False),
]


@pytest.mark.usefixtures("visible")
@pytest.mark.parametrize(("method", "path", "is_follower"), ENDINGS)
def test_an_edge_that_is_ended_before_it_is_back_stays_ended(
    api: Api,
    app: Flask,
    friends: list[Account],
    database_url: str,
    method: str,
    path: str,
    is_follower: bool,
) -> None:
    alice, bob, _ = friends
    api.call(method, path, token=bob.access)
    restore(app, alice)
    ended = (bob.id, alice.id) if is_follower else (alice.id, bob.id)
    assert ended not in edges(database_url)
    assert len(edges(database_url)) == 5
    assert parked(database_url) == []
    assert wrong_counters(database_url) == []


@pytest.mark.usefixtures("visible")
@pytest.mark.parametrize("is_blocker", [False, True])
def test_an_edge_that_a_block_ends_before_it_is_back_stays_ended(
    api: Api,
    app: Flask,
    friends: list[Account],
    database_url: str,
    is_blocker: bool,
) -> None:
    alice, bob, _ = friends
    back = api.post("login/", {"username": "alice", "password": PASSWORD}).json
    token, path = back["access"], "bob/block/"
    if is_blocker:
        token, path = bob.access, "alice/block/"
    assert api.put(path, token=token).status_code == 200
    assert api.delete(path, token=token).status_code == 200
    restore(app, alice)
    assert not [pair for pair in edges(database_url) if {*pair} == {alice.id, bob.id}]
    assert len(edges(database_url)) == 4
    assert wrong_counters(database_url) == []
