"""The greatest number of users that one user may follow, if the operator sets one."""

from functools import partial

import pytest
from flask import Flask

from tests.api import Api
from tests.auth.stored import at_once


@pytest.fixture(autouse=True)
def most(app: Flask) -> None:
    app.config["FOLLOWS_MAX"] = 2


def test_one_above_the_limit_is_refused_and_nothing_changes(api: Api) -> None:
    alice, *others = (api.register(name) for name in ("alice", "bob", "carol", "dave"))
    for other in others[:2]:
        assert (
            api.put(f"{other.username}/follow/", token=alice.access).status_code == 201
        )

    refused = api.post("follow/", {"username": "dave"}, token=alice.access)
    assert (refused.status_code, refused.json["code"]) == (409, "limit_reached")
    again = api.put("dave/follow/", token=alice.access)
    assert (again.status_code, again.json["code"]) == (409, "limit_reached")
    assert api.put("bob/follow/", token=alice.access).status_code == 200
    assert api.get("me/stats/", token=alice.access).json["following_count"] == 2
    assert api.get("dave/stats/").json["followers_count"] == 0

    api.delete("bob/unfollow/", token=alice.access)
    assert api.put("dave/follow/", token=alice.access).status_code == 201


def test_follows_at_once_do_not_pass_the_limit(api: Api) -> None:
    alice, *others = (api.register(f"user_{n}") for n in range(6))

    def follow(username: str) -> int:
        path = f"{username}/follow/"
        return api.put(path, token=alice.access).status_code

    statuses = at_once(*(partial(follow, other.username) for other in others))
    assert sorted(statuses) == [201, 201, 409, 409, 409]
    assert api.get("me/stats/", token=alice.access).json["following_count"] == 2
