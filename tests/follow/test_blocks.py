"""PUT and DELETE {username}/block/, GET me/blocks/"""

from typing import Any

import pytest
from sqlalchemy import select

from careers_users.extensions import db
from careers_users.models import Block, Mute
from tests.api import PASSWORD, Account, Api


@pytest.fixture
def alice(api: Api) -> Account:
    """Register a user who follows bob, and is followed back."""
    alice = api.register("alice")
    bob = api.register("Bob")
    api.put("bob/follow/", token=alice.access)
    api.put("alice/follow/", token=bob.access)
    return alice


def numbers(api: Api, name: str) -> tuple[int, int]:
    """Return how many follow a user, and how many the user follows."""
    stats = api.get(f"{name}/stats/").json
    return stats["followers_count"], stats["following_count"]


def test_a_block_ends_edges_both_ways_and_may_be_repeated(
    api: Api, alice: Account
) -> None:
    for name in ("bob", "BOB"):
        bodies: tuple[dict[str, Any], ...] = ({}, {"json": {}})
        for options in bodies:
            reply = api.put(f"{name}/block/", token=alice.access, **options)
            assert reply.status_code == 200
            assert reply.json == {"message": "Blocked Bob"}
            assert numbers(api, "alice") == numbers(api, "bob") == (0, 0)
    assert api.get("me/blocks/", token=alice.access).json["count"] == 1


def test_unblocking_brings_nothing_back(api: Api, alice: Account) -> None:
    api.put("bob/block/", token=alice.access)
    for _ in range(2):
        reply = api.delete("bob/block/", token=alice.access)
        assert (reply.status_code, reply.json) == (200, {"message": "Unblocked Bob"})
    assert numbers(api, "alice") == numbers(api, "bob") == (0, 0)
    assert api.get("me/blocks/", token=alice.access).json["results"] == []
    assert api.put("bob/follow/", token=alice.access).status_code == 201


def test_me_blocks_shows_cards_newest_first(api: Api, alice: Account) -> None:
    for name in ("carol", "dave", "erin"):
        api.register(name)
        api.put(f"{name}/block/", token=alice.access)
    met, path = [], "me/blocks/?batch_size=2"
    while path:
        page = api.get(path, token=alice.access).json
        met += [row["username"] for row in page["results"]]
        assert page["count"] == 3
        path = page["next"]
    assert met == ["erin", "dave", "carol"]


def test_deleting_an_account_deletes_what_it_blocks_and_who_blocks_it(
    api: Api, alice: Account
) -> None:
    carol = api.register("carol")
    for call in ("block", "mute"):
        api.put(f"bob/{call}/", token=alice.access)
        api.put(f"carol/{call}/", token=alice.access)
        api.put(f"alice/{call}/", token=carol.access)
    api.delete("me/", json={"password": carol.password}, token=carol.access)
    for of in ("blocks", "mutes"):
        reply = api.get(f"me/{of}/", token=alice.access).json
        assert [row["username"] for row in reply["results"]] == ["Bob"]
    api.delete("me/", json={"password": alice.password}, token=alice.access)
    with api.app.app_context():
        for table in (Block, Mute):
            assert db.session.scalars(select(table)).all() == []


def test_a_block_is_seen_by_the_next_call_of_either_side(
    api: Api, alice: Account
) -> None:
    bob = api.post("login/", {"username": "bob", "password": PASSWORD}).json["access"]
    assert api.get("alice/", token=bob).status_code == 200
    api.put("bob/block/", token=alice.access)
    assert api.get("alice/", token=bob).status_code == 404
    api.delete("bob/block/", token=alice.access)
    assert api.get("alice/", token=bob).status_code == 200


def test_nothing_of_it_is_in_the_activity_of_either_side(
    api: Api, alice: Account
) -> None:
    before = api.get("me/activity/", token=alice.access).json
    api.put("bob/block/", token=alice.access)
    api.put("bob/mute/", token=alice.access)
    assert api.get("me/activity/", token=alice.access).json == before
