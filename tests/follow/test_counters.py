"""The stored numbers of followers and followed, and `flask users recount`."""

import itertools

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from careers_users.extensions import db
from tests.api import Account, Api
from tests.live_server import wrong_counters

ALL_RIGHT = "All counters are right.\n"
_numbers = itertools.count(1)


# -- Kept with every change ------------------------------------------------------------


@settings(
    max_examples=15,
    deadline=None,
    database=None,
    # Every example has users of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 2)),
        min_size=5,
        max_size=30,
    )
)
def test_counters_equal_the_rows_after_any_calls(
    api: Api, database_url: str, calls: list[tuple[bool, int, int]]
) -> None:
    users = [api.register(f"user_{next(_numbers)}") for _ in range(3)]
    edges: set[tuple[int, int]] = set()
    for is_follow, one, other in calls:
        expected = step(edges, is_follow, one, other)
        whom, token = users[other], users[one].access
        if is_follow:
            response = api.post("follow/", {"following": whom.id}, token=token)
        else:
            response = api.delete(f"{whom.username}/unfollow/", token=token)
        assert response.status_code == expected

    for index, user in enumerate(users):
        profile = api.get("me/", token=user.access).json
        shown = profile["followers_count"], profile["following_count"]
        followers = sum(other == index for _, other in edges)
        following = sum(one == index for one, _ in edges)
        assert shown == (followers, following)
        lists = [api.get(f"{user.username}/{side}/").json for side in SIDES]
        assert [reply["count"] for reply in lists] == [followers, following]
        assert [len(reply["results"]) for reply in lists] == [followers, following]
    assert wrong_counters(database_url) == []


SIDES = ("followers", "following")


def step(edges: set[tuple[int, int]], is_follow: bool, one: int, other: int) -> int:
    """Make the change in a model of the graph; return the status to expect."""
    if one == other:
        return 400
    if is_follow == ((one, other) in edges):
        return 409 if is_follow else 404
    edges ^= {(one, other)}
    return 201 if is_follow else 200


# -- Repaired --------------------------------------------------------------------------


@pytest.fixture
def users(api: Api) -> list[Account]:
    """Three users; the first follows the others and is followed by the second."""
    users = [api.register(name) for name in ("alice", "bob", "carol")]
    for one, other in ((0, 1), (0, 2), (1, 0)):
        api.post("follow/", {"following": users[other].id}, token=users[one].access)
    return users


def recount(app: Flask, *options: str) -> tuple[int, str]:
    """Run `flask users recount`; return its exit code and what it prints."""
    words = ["users", "recount", *options]
    result = app.test_cli_runner().invoke(args=words, catch_exceptions=False)
    return result.exit_code, result.output


def spoil(app: Flask, *statements: str) -> None:
    """Change the database past the product."""
    with app.app_context(), db.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.usefixtures("users")
def test_recount_finds_nothing_wrong_after_ordinary_use(app: Flask) -> None:
    assert recount(app, "--check") == (0, ALL_RIGHT)
    assert recount(app) == (0, ALL_RIGHT)


def test_recount_reports_repairs_and_then_finds_nothing(
    api: Api, app: Flask, users: list[Account], database_url: str
) -> None:
    alice, bob, carol = (user.id for user in users)
    counters = "UPDATE user_counters SET"
    spoil(
        app,
        f"{counters} followers_count = 7, posts_count = 5 WHERE user_id = {alice}",
        f"{counters} following_count = 0 WHERE user_id = {bob}",
        f"{counters} followers_count = 0, following_count = 9 WHERE user_id = {carol}",
        "UPDATE user_totals SET value = value + 37 WHERE shard = 0",
    )
    drifts = [
        "alice: followers_count is 7, should be 1",
        "carol: followers_count is 0, should be 1",
        "bob: following_count is 0, should be 1",
        "carol: following_count is 9, should be 0",
        "users in all is 40, should be 3",
    ]
    before = wrong_counters(database_url)
    assert len(before) == 4

    # A check reports and fails, and changes nothing.
    for _ in range(2):
        code, output = recount(app, "--check")
        assert (code, output.splitlines()) == (1, drifts)
        assert wrong_counters(database_url) == before

    code, output = recount(app)
    assert code == 0
    assert output.splitlines() == [*drifts, "Repaired 5 counters."]
    assert wrong_counters(database_url) == []
    assert recount(app, "--check") == (0, ALL_RIGHT)
    profile = api.get("alice/").json
    assert (profile["followers_count"], profile["following_count"]) == (1, 2)
    assert profile["posts_count"] == 5  # which no rows here are the source of
    assert api.get("").json["batch_info"]["total_users"] == 3


@pytest.mark.usefixtures("users")
def test_recount_counts_rows_that_were_changed_past_the_product(
    api: Api, app: Flask
) -> None:
    spoil(app, "DELETE FROM follows", "UPDATE user_totals SET value = 0")
    assert recount(app)[0] == 0
    for name in ("alice", "bob", "carol"):
        profile = api.get(f"{name}/").json
        assert (profile["followers_count"], profile["following_count"]) == (0, 0)
    assert api.get("").json["batch_info"]["total_users"] == 3


def test_recount_of_an_empty_database(app: Flask) -> None:
    assert recount(app, "--check") == (0, ALL_RIGHT)
