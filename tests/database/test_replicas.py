"""Reads from a replica: others' changes may come later, one's own never do.

The replica is a real one, which follows the server of the tests by streaming and is
told to fall behind.
"""

import os
import time
from dataclasses import replace
from functools import partial

import pytest

from careers_users import create_app
from tests import live_server
from tests.api import Api
from tests.database.replica_pair import (
    MADE_LONG_AGO,
    Pair,
    close,
    is_read_elsewhere,
    lists,
    metric,
)
from tests.profile.test_statements import statements

pytestmark = pytest.mark.skipif(
    "postgresql" not in os.environ.get("CAREERS_USERS_TEST_DATABASES", "postgresql"),
    reason="CAREERS_USERS_TEST_DATABASES leaves PostgreSQL out",
)


def test_changes_of_others_come_later(pair: Pair, ones: Api, others: Api) -> None:
    alice, bob = pair.register("alice", "bob")
    pair.fall_behind(ones, others)
    ones.patch("me/", {"first_name": "Alicia"}, token=alice.access)
    for api in (ones, others):
        assert api.get("alice/").json["first_name"] == ""
        assert api.get("alice/", token=bob.access).json["first_name"] == ""
        assert lists(api, "?search=alicia", None) == []
    pair.standby.resume()
    pair.standby.catch_up()
    for api in (ones, others):
        assert api.get("alice/").json["first_name"] == "Alicia"
        assert lists(api, "?search=alicia", bob.access) == ["alice"]


def test_own_changes_are_read_back_at_once(pair: Pair, ones: Api, others: Api) -> None:
    alice, bob = pair.register("alice", "bob")
    pair.fall_behind(ones, others)
    ones.patch("me/", {"first_name": "Alicia"}, token=alice.access)
    ones.post("follow/", {"following": bob.id}, token=alice.access)
    for api in (others, ones):
        mine = alice.access
        assert api.get("alice/", token=mine).json["first_name"] == "Alicia"
        assert api.get("alice/", token=mine).json["following_count"] == 1
        assert api.get("alice/stats/", token=mine).json["following_count"] == 1
        assert api.get("bob/", token=mine).json["followers_count"] == 1
        assert lists(api, "?search=alicia", mine) == ["alice"]
        assert lists(api, "bob/followers/", mine) == ["alice"]
        assert lists(api, "alice/following/", mine) == ["bob"]
        assert api.get("following/", token=mine).json["count"] == 1
        cards = {card["id"]: card for card in api.get("", token=mine).json["users"]}
        assert cards[bob.id]["is_following"] is True
        [stand] = api.get(f"relationships/?ids={bob.id}", token=mine).json["results"]
        assert stand["following"] is True
        # Other users do not see it yet, but the user who is followed does.
        assert api.get("alice/stats/").json["following_count"] == 0
        assert api.get("followers/", token=bob.access).json["count"] == 1


def test_the_end_of_a_follow_is_read_back_at_once(
    pair: Pair, ones: Api, others: Api
) -> None:
    alice, bob = pair.register("alice", "bob")
    ones.post("follow/", {"following": bob.id}, token=alice.access)
    live_server.ask(pair.url, MADE_LONG_AGO.format("user_counters"))
    pair.standby.catch_up()
    pair.fall_behind(others)
    assert lists(others, "bob/followers/", alice.access) == ["alice"]
    ones.delete("me/followers/alice/", token=bob.access)
    assert lists(others, "bob/followers/", bob.access) == []
    assert lists(others, "bob/followers/", alice.access) == []
    assert lists(others, "bob/followers/", None) == ["alice"]


def test_a_user_who_has_just_registered_finds_themselves(
    pair: Pair, ones: Api, others: Api
) -> None:
    pair.register("bob")
    pair.fall_behind(others)
    alice = ones.register("alice")
    assert others.get("alice/", token=alice.access).status_code == 200
    assert lists(others, "", alice.access) == ["alice", "bob"]
    assert others.get("alice/").status_code == 404
    assert others.get("me/", token=alice.access).json["username"] == "alice"


def test_nothing_about_security_lags(pair: Pair, ones: Api, others: Api) -> None:
    alice, bob = pair.register("alice", "bob")
    pair.fall_behind(ones, others)
    login = {"username": "alice", "password": alice.password}
    laptop = others.post("login/", login).json
    sessions = ones.get("me/sessions/", token=alice.access).json
    assert len(sessions["results"]) == 2
    ones.post("logout/", {"refresh": alice.refresh}, token=alice.access)
    for api in (others, ones):
        for path in ("", "bob/", "bob/stats/", "bob/followers/", "me/", "following/"):
            assert api.get(path, token=alice.access).status_code == 401, path
        refused = api.post("token/refresh/", {"refresh": alice.refresh})
        assert refused.status_code == 401
        assert api.get("bob/", token=laptop["access"]).status_code == 200
    deactivate = "UPDATE users SET is_active = false WHERE username = 'bob'"
    live_server.ask(pair.url, deactivate)
    assert others.get("alice/", token=bob.access).status_code == 401


def test_a_walk_along_a_list_misses_no_user(pair: Pair, ones: Api, others: Api) -> None:
    star, *fans = pair.register("star", *(f"fan{number}" for number in range(6)))
    for fan in fans[:2]:
        ones.post("follow/", {"following": star.id}, token=fan.access)
    pair.standby.catch_up()
    pair.fall_behind(others)
    for fan in fans[2:]:
        ones.post("follow/", {"following": star.id}, token=fan.access)
    # The first page by who has just been followed, the rest by anybody.
    page = others.get("star/followers/?batch_size=2", token=star.access).json
    met = [card["username"] for card in page["results"]]
    while page["next"]:
        page = others.get(page["next"]).json
        met += [card["username"] for card in page["results"]]
    assert met == [fan.username for fan in reversed(fans)]


def test_all_reads_of_a_request_come_from_one_place(pair: Pair, others: Api) -> None:
    pair.register("alice")
    live_server.until(partial(is_read_elsewhere, others))
    with statements(others) as primary:
        assert others.get("?batch_number=5").json["batch_info"]["total_users"] == 1
    assert [text for text in primary if "pg_current_wal" not in text] == []


def test_the_price_is_one_statement_a_second(pair: Pair, others: Api) -> None:
    alice, bob = pair.register("alice", "bob")
    live_server.until(partial(is_read_elsewhere, others))
    began = time.monotonic()
    with statements(others) as primary:
        for _ in range(20):
            others.get("alice/", token=bob.access)
    checks = [text for text in primary if "token_version" in text]
    assert len(checks) == 20
    assert len(primary) - len(checks) <= 1 + time.monotonic() - began
    with statements(others) as primary:
        others.post("follow/", {"following": bob.id}, token=alice.access)
    assert len(primary) == 6, "no more than without a replica"


def test_too_far_behind_it_is_left_alone(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.register("alice")
    api = pair.api(max_lag=3)
    pair.fall_behind(api)
    change = "UPDATE users SET first_name = 'Alicia' WHERE username = 'alice'"
    live_server.ask(pair.url, change)
    assert api.get("alice/").json["first_name"] == ""
    live_server.until(lambda: api.get("alice/").json["first_name"] == "Alicia")
    live_server.until(lambda: api.get("alice/") and "3 s behind" in caplog.text)
    assert "not used" in str(api.get("/health/ready").json["warnings"])
    assert api.get("/health/ready").status_code == 200
    pair.standby.resume()
    live_server.until(lambda: api.get("alice/") and "caught up" in caplog.text)
    lines = [line for line in caplog.messages if "replica" in line]
    assert len(lines) == 2, lines
    close(api.app)


def test_a_replica_that_is_gone_costs_no_reply(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    alice, _ = pair.register("alice", "bob")
    api = Api(create_app(replace(pair.settings(), metrics=True)))
    live_server.until(partial(is_read_elsewhere, api))
    assert metric(api) == "1.0"
    pair.standby.stop("immediate")
    for _ in range(5):
        assert api.get("bob/").status_code == 200
        assert lists(api, "", alice.access) == ["alice", "bob"]
    assert caplog.text.count("The replica is not used") == 1
    assert metric(api) == "0.0"
    pair.standby.start()
    live_server.until(lambda: "answers, and is used again" in caplog.text)
    live_server.until(partial(is_read_elsewhere, api))
    assert metric(api) == "1.0"
    close(api.app)
