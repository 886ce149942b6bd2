"""Edges of suspended users: out of everybody's numbers, and back without loss."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from careers_users.account import parking, service
from careers_users.database import bulk
from careers_users.database.query import _QuickTransaction
from careers_users.follow import edges as follow_edges
from careers_users.follow import service as follow_service
from careers_users.models import Block
from tests.account.suspending import edges, follow, parked, restore, suspend
from tests.api import Account, Api
from tests.auth.stored import NOON, change
from tests.jobs.run import run_jobs
from tests.live_server import ask, wrong_counters

NAMES = ("alice", "bob", "carol", "dora")


@pytest.fixture
def friends(api: Api) -> list[Account]:
    """Four users, each of whom follows all others."""
    users = [api.register(name) for name in NAMES]
    for one, other in itertools.permutations(users, 2):
        follow(api, one, other)
    return users


def whole(url: str) -> list[object]:
    """Return all that there is of all edges that count."""
    return ask(url, "SELECT * FROM follows ORDER BY id")


def test_edges_are_parked_with_the_counters_and_come_back_as_they_were(
    api: Api, app: Flask, friends: list[Account], database_url: str
) -> None:
    before, alice = whole(database_url), friends[0]
    suspend(app, alice)
    assert len(edges(database_url)) == len(parked(database_url)) == 6
    assert not [pair for pair in edges(database_url) if alice.id in pair]
    assert wrong_counters(database_url) == []
    mine = api.get("me/", token=friends[1].access).json
    assert (mine["followers_count"], mine["following_count"]) == (2, 2)
    assert api.get("").json["batch_info"]["total_users"] == 3

    restore(app, alice)
    assert whole(database_url) == before
    assert parked(database_url) == []
    assert wrong_counters(database_url) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_neighbours_are_restored_in_either_order(
    app: Flask, friends: list[Account], database_url: str, order: tuple[int, int]
) -> None:
    before = whole(database_url)
    for user in friends[:2]:
        suspend(app, user)
    assert len(parked(database_url)) == 10
    first, second = (friends[place] for place in order)
    restore(app, first)
    # The other edges stay parked, as edges of the second user.
    assert all(second.id in pair for pair in parked(database_url))
    assert len(parked(database_url)) == 6
    assert wrong_counters(database_url) == []
    restore(app, second)
    assert whole(database_url) == before
    assert wrong_counters(database_url) == []


@contextmanager
def _quiet(_label: str, _number: int) -> Iterator[bulk.Report]:
    yield lambda _rows: None


class Interrupted(Exception):
    """Stands for Ctrl-C, after the first batch."""


@contextmanager
def _interrupting(_label: str, _number: int) -> Iterator[bulk.Report]:
    def report(_rows: int) -> None:
        raise Interrupted

    yield report


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two edges a batch."""
    monkeypatch.setattr(parking, "BATCH_ROWS", 2)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("by_job", [False, True])
def test_an_interrupted_call_is_finished_by_another_or_by_the_job(
    app: Flask, friends: list[Account], database_url: str, by_job: bool
) -> None:
    before, alice = whole(database_url), friends[0]
    with pytest.raises(Interrupted):
        suspend(app, alice, progress=_interrupting)
    assert len(parked(database_url)) == 2
    assert wrong_counters(database_url) == []
    if by_job:
        assert run_jobs(app, "suspensions") == 4
    else:
        suspend(app, alice)
    assert len(parked(database_url)) == 6

    with pytest.raises(Interrupted):
        restore(app, alice, progress=_interrupting)
    assert len(parked(database_url)) == 4
    assert wrong_counters(database_url) == []
    if by_job:
        assert run_jobs(app, "suspensions") == 4
    else:
        restore(app, alice)
    assert whole(database_url) == before
    assert run_jobs(app, "suspensions") == 0
    assert wrong_counters(database_url) == []


def test_an_edge_with_a_block_meanwhile_does_not_come_back(
    app: Flask, friends: list[Account], database_url: str
) -> None:
    alice, bob, carol, _ = (user.id for user in friends)
    suspend(app, friends[0])
    for blocker, blocked in ((alice, bob), (carol, alice)):
        pair = {"blocker_id": blocker, "blocked_id": blocked, "created_at": NOON}
        change(app, insert(Block).values(pair))
    restore(app, friends[0])
    assert not {(alice, bob), (bob, alice), (alice, carol), (carol, alice)} & {
        *edges(database_url)
    }
    assert len(edges(database_url)) == 8
    assert parked(database_url) == []
    assert wrong_counters(database_url) == []


def test_either_end_can_be_deleted_meanwhile(
    api: Api, app: Flask, friends: list[Account], database_url: str
) -> None:
    alice, bob, carol, _ = friends
    suspend(app, alice)
    suspend(app, carol)
    with app.app_context():
        assert service.delete_account(bob.id, by="owner")
        assert service.delete_account(carol.id, by="operator")
    assert api.get("").json["batch_info"]["total_users"] == 1
    restore(app, alice)
    assert len(edges(database_url)) == 2
    assert parked(database_url) == []
    assert api.get("").json["batch_info"]["total_users"] == 2
    assert wrong_counters(database_url) == []


@pytest.mark.usefixtures("small_batches")
def test_a_user_followed_anew_before_the_edge_is_back_has_it_once(
    api: Api, app: Flask, friends: list[Account], database_url: str
) -> None:
    alice = friends[0]
    suspend(app, alice)
    with pytest.raises(Interrupted):
        restore(app, alice, progress=_interrupting)
    gone = parked(database_url)
    follower = next(user for user in friends if (user.id, alice.id) in gone)
    follow(api, follower, alice)
    # Parked again with its predecessor there, and brought back once.
    suspend(app, alice)
    assert len(parked(database_url)) == 6
    restore(app, alice)
    assert len(edges(database_url)) == len({*edges(database_url)}) == 12
    assert parked(database_url) == []
    assert wrong_counters(database_url) == []


@pytest.mark.parametrize("is_added", [False, True])
def test_a_follow_under_way_finds_out(
    api: Api,
    app: Flask,
    friends: list[Account],
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    is_added: bool,
) -> None:
    alice, bob, *_ = friends
    api.delete("alice/unfollow/", token=bob.access)
    look_up, defer = follow_service._other, _QuickTransaction.defer

    def looked_up(*users: Any) -> Any:
        found = look_up(*users)
        suspend(app, alice)
        return found

    def counting(self: Any, query: Any, **values: Any) -> None:
        if query is follow_edges.COUNT:
            suspend(app, alice)
        defer(self, query, **values)

    # On SQLite no other transaction comes between, once the edge is added.
    if is_added and not database_url.startswith("sqlite"):
        monkeypatch.setattr(_QuickTransaction, "defer", counting)
    else:
        monkeypatch.setattr(follow_service, "_other", looked_up)
    reply = api.post("follow/", {"following": alice.id}, token=bob.access)
    assert reply.json["code"] == "user_not_found"
    assert not [pair for pair in edges(database_url) if alice.id in pair]
    assert len(parked(database_url)) == 5
    assert wrong_counters(database_url) == []


@pytest.mark.usefixtures("small_batches")
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    acts=st.lists(
        st.tuples(st.booleans(), st.integers(0, 3), st.booleans()), max_size=12
    )
)
def test_edges_follow_the_users_whatever_is_done_and_interrupted(
    app: Flask,
    friends: list[Account],
    database_url: str,
    acts: list[tuple[bool, int, bool]],
) -> None:
    suspended: set[int] = set()
    for suspends, place, is_interrupted in acts:
        user, progress = friends[place], _interrupting if is_interrupted else _quiet
        with suppress(Interrupted):
            if suspends:
                suspend(app, user, progress=progress)
            else:
                restore(app, user, progress=progress)
        suspended = suspended | {user.id} if suspends else suspended - {user.id}
        assert wrong_counters(database_url) == []
    run_jobs(app, "suspensions")
    pairs = {*itertools.permutations([user.id for user in friends], 2)}
    visible = {pair for pair in pairs if not suspended & {*pair}}
    assert {*edges(database_url)} == visible
    assert {*parked(database_url)} == pairs - visible
    for user in friends:
        restore(app, user)
    assert len(edges(database_url)) == len(pairs)
    assert wrong_counters(database_url) == []
