"""A moderator suspends and restores while two servers answer those at the other ends.

Whatever comes first: no edge of a suspended user outside the park, none lost, none
twice, and counters that equal their rows. Nothing answers 5xx, which `Client` refuses.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from flask import Flask

from careers_users import create_app
from careers_users.account import parking, suspension
from careers_users.extensions import db
from config import TestConfig
from tests.account.suspending import edges, parked
from tests.conftest import KEY, driver_url
from tests.live_server import Client, Reply, at_once
from tests.races.two_servers import outcomes

pytestmark = pytest.mark.usefixtures("exact_counters")
ROUNDS = 3
FANS = 11
PASSWORD = {"password": "password123"}
_numbers = itertools.count(1)

Work = Callable[[], Any]


class User(NamedTuple):
    """A registered user, and the client that acts for them."""

    id: int
    name: str
    access: str
    client: Client

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        """Make a call as this user."""
        return self.client.call(method, path, body, self.access)

    def follow(self, other: "User") -> Reply:
        """Follow another user."""
        return self.call("POST", "follow/", {"following": other.id})


@pytest.fixture
def moderator(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """Give the application of a moderator's commands, which moves few edges at once."""
    monkeypatch.setattr(parking, "BATCH_ROWS", 4)
    app = create_app(TestConfig(database_url=driver_url(url), jwt_secret_key=KEY))
    yield app
    with app.app_context():
        db.engine.dispose()


def people(clients: list[Client], number: int) -> list[User]:
    """Register some users."""
    users = []
    for client in clients[:number]:
        name = f"raced_{next(_numbers)}"
        body = client.register(name).body
        users.append(User(body["user"]["id"], name, body["access"], client))
    return users


def suspending(app: Flask, user: User) -> Work:
    """Return what suspends a user."""

    def work() -> int | None:
        with app.app_context():
            return suspension.suspend(user.id, "spam")

    return work


def restoring(app: Flask, user: User) -> Work:
    """Return what restores a user."""

    def work() -> bool:
        with app.app_context():
            return suspension.restore(user.id)

    return work


def together(*works: Work) -> list[Any]:
    """Do it all at the same moment; return what comes of each."""
    return at_once(lambda work: work(), works)


def of(user: User, pairs: list[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the edges of a user among others; none may be there twice."""
    mine = [pair for pair in pairs if user.id in pair]
    assert len(mine) == len({*mine})
    return {*mine}


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_a_follow_is_parked_or_refused(
    clients: list[Client], moderator: Flask, url: str, turn: int
) -> None:
    star, *fans = people(clients, FANS + 1)
    for fan in fans[:4]:
        fan.follow(star)

    def follows() -> list[Work]:
        there = [lambda fan=fan: fan.follow(star) for fan in fans[4:]]
        back = [lambda fan=fan: star.follow(fan) for fan in fans[turn : turn + 1]]
        return [*there, *back]

    _, *replies = together(suspending(moderator, star), *follows())
    assert set(outcomes(replies)) <= {201, "user_not_found", "token_revoked"}
    assert of(star, edges(url)) == set()
    made = sum(reply.status == 201 for reply in replies)
    assert len(of(star, parked(url))) == 4 + made
    restoring(moderator, star)()
    assert len(of(star, edges(url))) == 4 + made
    assert of(star, parked(url)) == set()


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_a_block_keeps_its_edges_from_coming_back(
    clients: list[Client], moderator: Flask, url: str, turn: int
) -> None:
    star, *fans = people(clients, FANS + 1)
    for fan in fans:
        fan.follow(star)
        star.follow(fan)

    def block(fan: User) -> Work:
        return lambda: fan.call("PUT", f"{star.name}/block/")

    blockers = fans[turn::2]
    _, *replies = together(suspending(moderator, star), *map(block, blockers))
    assert set(outcomes(replies)) <= {200, "user_not_found"}
    assert of(star, edges(url)) == set()
    done = {
        fan.id
        for fan, reply in zip(blockers, replies, strict=True)
        if reply.status == 200
    }
    # Some block while the edges come back.
    late = [fan for fan in fans if fan not in blockers][:3]
    _, *replies = together(restoring(moderator, star), *map(block, late))
    done |= {
        fan.id for fan, reply in zip(late, replies, strict=True) if reply.status == 200
    }
    left = {fan.id for fan in fans} - done
    expected = {(one, star.id) for one in left} | {(star.id, one) for one in left}
    assert of(star, edges(url)) == expected
    assert of(star, parked(url)) == set()


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_either_end_may_be_deleted(
    clients: list[Client], moderator: Flask, url: str, turn: int
) -> None:
    star, other, *fans = people(clients, FANS + 1)
    for fan in fans:
        fan.follow(star)
        other.follow(fan)
    star.follow(other)

    def delete(user: User) -> Work:
        return lambda: user.call("DELETE", "me/", PASSWORD)

    leaving = fans[turn::2]
    works = [suspending(moderator, star), suspending(moderator, other)]
    works += [delete(user) for user in (*leaving, other)]
    _, _, *replies = together(*works)
    assert set(outcomes(replies[:-1])) == {200}
    assert set(outcomes(replies[-1:])) <= {200, "token_revoked"}
    assert of(star, edges(url)) == set()
    gone = {user.id for user in leaving}
    is_gone = replies[-1].status == 200
    if is_gone:
        assert of(other, edges(url) + parked(url)) == set()
    together(restoring(moderator, star), *map(delete, fans[1 - turn % 2 : 1]))
    left = of(star, edges(url))
    assert not [pair for pair in left if gone & {*pair}]
    assert not [pair for pair in parked(url) if gone & {*pair}]


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_neighbours_are_suspended_and_restored_at_once(
    clients: list[Client], moderator: Flask, url: str, turn: int
) -> None:
    users = people(clients, 5)
    pairs = {*itertools.permutations([user.id for user in users], 2)}
    for one, other in itertools.permutations(users, 2):
        one.follow(other)
    first, second, third, *_ = users
    for change, again in ((suspending, restoring), (restoring, suspending)):
        works = [change(moderator, user) for user in (first, second, third, first)]
        works += [again(moderator, user) for user in users[turn : turn + 2]]
        together(*works)
        there, away = edges(url), parked(url)
        assert len(there) + len(away) >= len(pairs)
        here = {pair for pair in there if pair in pairs}
        put_away = {pair for pair in away if pair in pairs}
        assert here | put_away == pairs
        assert not here & put_away
    together(*(restoring(moderator, user) for user in users))
    assert pairs <= {*edges(url)}
    assert not pairs & {*parked(url)}
