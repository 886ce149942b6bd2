"""The table of blocks and suspensions, cell by cell: users in lists.

V is the viewer, O the other user; `fan` follows O, and O and V follow `star`.
"""

from typing import Any

import pytest

from tests.api import Account, Api
from tests.follow.hiding import (
    HIDDEN_IN_LISTS,
    State,
    o_blocks,
    suspended,
    totals,
    usernames,
    v_blocks,
)

# -- In lists --------------------------------------------------------------------------


@pytest.mark.parametrize("state", HIDDEN_IN_LISTS, ids=lambda state: state.__name__)
def test_no_hidden_user_is_in_the_directory_or_its_totals(
    api: Api, people: dict[str, Account], state: State
) -> None:
    ids = ",".join(str(account.id) for account in people.values())
    token = people["viewer"].access
    expected = ["fan", "idle", "star", "viewer"]
    state(api, people)
    for query in ("", "search=person&", "q=ux&", "search=a&", f"ids={ids}&"):
        pages = [
            totals(api.get(f"?{query}batch_size=2&batch_number={number}", token=token))
            for number in range(3)
        ]
        assert pages == [
            (expected[:2], 4, 2),
            (expected[2:], 4, 2),
            ([], 4, 2),
        ], query
        for ordering in ("-username", "created_at", "-first_name", "last_name"):
            reply = api.get(f"?{query}ordering={ordering}", token=token)
            assert sorted(usernames(reply, "users")) == expected
    for query in ("search=other", "first_name=oth", f"ids={people['other'].id}"):
        assert totals(api.get(f"?{query}", token=token)) == ([], 0, 0)


@pytest.mark.parametrize("state", HIDDEN_IN_LISTS, ids=lambda state: state.__name__)
def test_no_hidden_user_is_in_the_lists_of_others(
    api: Api, people: dict[str, Account], state: State
) -> None:
    state(api, people)
    token = people["viewer"].access
    followers = api.get("star/followers/", token=token).json
    assert [row["username"] for row in followers["results"]] == ["viewer", "fan"]
    assert followers["count"] == 3
    assert api.get("star/", token=token).json["followers_count"] == 3
    following = api.get("fan/following/", token=token)
    assert usernames(following) == ["star"]
    # Each who is visible is met once, and the walk ends.
    for path in ("star/followers/?batch_size=1", "fan/followers/?batch_size=1"):
        met, next_, steps = [], path, 0
        while next_:
            page = api.get(next_, token=token)
            met += usernames(page)
            next_, steps = page.json["next"], steps + 1
            assert steps < 10
        expected = ["viewer", "fan"] if path.startswith("star") else ["viewer"]
        assert met == expected


def test_no_edge_is_left_in_ones_own_lists(
    api: Api, people: dict[str, Account]
) -> None:
    viewer, other = people["viewer"], people["other"]
    for state in (v_blocks, o_blocks):
        api.delete("other/block/", token=viewer.access)
        api.delete("viewer/block/", token=other.access)
        api.put("other/follow/", token=viewer.access)
        api.put("viewer/follow/", token=other.access)
        assert api.get("followers/", token=viewer.access).json["count"] == 1
        state(api, people)
        for path in ("followers/", "me/followers/"):
            reply = api.get(path, token=viewer.access).json
            assert (reply["count"], reply["results"]) == (0, [])
        for path in ("following/", "me/following/"):
            reply = api.get(path, token=viewer.access).json
            assert reply["count"] == len(reply["results"]) == 2


def test_a_suspended_user_is_in_no_list_of_ones_own(
    api: Api, people: dict[str, Account]
) -> None:
    fan = people["fan"]
    suspended(api, people)
    rows = api.get("following/", token=fan.access).json["results"]
    assert [row["following_username"] for row in rows] == ["star"]
    rows = api.get("followers/", token=fan.access).json["results"]
    assert [row["follower_username"] for row in rows] == ["viewer"]
    assert usernames(api.get("me/following/", token=fan.access)) == ["star"]


def test_relationships(api: Api, people: dict[str, Account]) -> None:
    viewer, other = people["viewer"], people["other"]
    path = f"relationships/?ids={other.id},{people['star'].id}"

    def rows() -> list[dict[str, Any]]:
        reply: list[dict[str, Any]] = api.get(path, token=viewer.access).json["results"]
        return reply

    assert [row["blocking"] for row in rows()] == [False, False]
    v_blocks(api, people)
    assert [row["blocking"] for row in rows()] == [True, False]
    o_blocks(api, people)
    assert [row["id"] for row in rows()] == [people["star"].id]
    api.delete("viewer/block/", token=other.access)
    api.put("other/mute/", token=viewer.access, json={"duration": 300})
    assert [(row["muting"], row["blocking"]) for row in rows()] == [
        (True, True),
        (False, False),
    ]
    assert rows()[0]["muted_until"] is not None
    suspended(api, people)
    assert [row["id"] for row in rows()] == [people["star"].id]


def test_the_lists_of_blocks_and_mutes(api: Api, people: dict[str, Account]) -> None:
    viewer, other = people["viewer"], people["other"]

    def shown() -> list[tuple[int, list[str]]]:
        replies = [
            api.get(f"me/{of}/", token=viewer.access) for of in ("blocks", "mutes")
        ]
        return [(reply.json["count"], usernames(reply)) for reply in replies]

    api.put("other/mute/", token=viewer.access)
    assert shown() == [(0, []), (1, ["other"])]
    o_blocks(api, people)
    assert shown() == [(0, []), (0, [])]
    v_blocks(api, people)
    assert shown() == [(1, ["other"]), (1, ["other"])]
    api.delete("viewer/block/", token=other.access)
    assert shown() == [(1, ["other"]), (1, ["other"])]
    suspended(api, people)
    assert shown() == [(0, []), (0, [])]
