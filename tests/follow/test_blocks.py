"""PUT and DELETE {username}/block/, GET me/blocks/"""

from typing import Any

import pytest

from tests.api import Account, Api

USER_NOT_FOUND = "user_not_found"


@pytest.fixture
def alice(api: Api) -> Account:
    """A user who follows bob, who follows back."""
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
