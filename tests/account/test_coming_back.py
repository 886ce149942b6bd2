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
from tests.api import Account, Api
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


def test_a_follow_under_way_and_the_edge_that_comes_back_wait_in_one_order(
    api: Api,
    app: Flask,
    friends: list[Account],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice, bob, _ = friends
    # Visible, with the edges still parked.
    monkeypatch.setattr(parking, "settle", lambda *_: None)
    restore(app, alice)
    monkeypatch.undo()
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
