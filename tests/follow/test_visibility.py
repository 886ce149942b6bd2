"""The table of blocks and suspensions, cell by cell: users by name, and other viewers.

V is the viewer, O the other user; `fan` follows O, and O and V follow `star`.
"""

import pytest

from tests.api import Account, Api
from tests.auth.stored import change_user
from tests.follow.hiding import (
    HIDDEN_BY_NAME,
    NOBODY,
    State,
    both_block,
    o_blocks,
    same,
    suspended,
    totals,
    usernames,
    v_blocks,
)
from tests.profile.test_statements import statements

# -- By name ---------------------------------------------------------------------------

NAMED = [
    ("GET", "{}/"),
    ("GET", "{}/stats/"),
    ("GET", "{}/followers/"),
    ("GET", "{}/following/"),
    ("GET", "{}/following/?muted=exclude"),
    ("GET", "{}/followers/?batch_number=3"),
    ("PUT", "{}/follow/"),
    ("DELETE", "{}/follow/"),
    ("DELETE", "{}/unfollow/"),
    ("DELETE", "me/followers/{}/"),
]


@pytest.mark.parametrize("state", HIDDEN_BY_NAME, ids=lambda state: state.__name__)
def test_by_name_it_is_the_404_of_a_name_that_no_user_has(
    api: Api, people: dict[str, Account], state: State
) -> None:
    state(api, people)
    token = people["viewer"].access
    for method, path in NAMED:
        found = api.call(method, path.format("other"), token=token)
        nobody = api.call(method, path.format(NOBODY), token=token)
        assert found.status_code == 404, path
        assert found.json["code"] == "user_not_found"
        assert same(found, nobody), path
    for body in ({"username": "other"}, {"following": people["other"].id}):
        found = api.post("follow/", body, token=token)
        nobody = api.post("follow/", {"username": NOBODY}, token=token)
        assert same(found, nobody)


def test_whom_the_viewer_blocks_reads_as_ever_by_name(
    api: Api, people: dict[str, Account]
) -> None:
    v_blocks(api, people)
    token = people["viewer"].access
    profile = api.get("other/", token=token)
    assert (profile.status_code, profile.json["id"]) == (200, people["other"].id)
    assert api.get("other/stats/", token=token).status_code == 200
    assert usernames(api.get("other/followers/", token=token)) == ["fan"]
    assert usernames(api.get("other/following/", token=token)) == ["fan", "star"]
    for reply in (
        api.put("other/follow/", token=token),
        api.post("follow/", {"username": "other"}, token=token),
        api.post("follow/", {"following": people["other"].id}, token=token),
    ):
        assert (reply.status_code, reply.json["code"]) == (409, "blocking")


@pytest.mark.parametrize(
    ("state", "status"),
    [(v_blocks, 200), (o_blocks, 200), (both_block, 200), (suspended, 404)],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_blocks_and_mutes_are_possible_unless_suspended(
    api: Api, people: dict[str, Account], state: State, status: int
) -> None:
    state(api, people)
    for method in ("PUT", "DELETE"):
        for call in ("block", "mute"):
            path = f"{{}}/{call}/"
            reply = api.call(
                method, path.format("other"), token=people["viewer"].access
            )
            assert reply.status_code == status, (method, call)
            if status == 404:
                nobody = api.call(
                    method, path.format(NOBODY), token=people["viewer"].access
                )
                assert same(reply, nobody)


@pytest.mark.parametrize("state", HIDDEN_BY_NAME, ids=lambda state: state.__name__)
def test_it_costs_the_same_statements(
    api: Api, people: dict[str, Account], state: State
) -> None:
    state(api, people)
    token = people["viewer"].access
    for method, path in NAMED:
        numbers = []
        for name in ("other", NOBODY):
            with statements(api) as seen:
                api.call(method, path.format(name), token=token)
            numbers.append(len(seen))
        assert numbers[0] == numbers[1], path


# -- Others ----------------------------------------------------------------------------


def test_signed_out_only_suspension_hides(api: Api, people: dict[str, Account]) -> None:
    paths = ("other/", "other/stats/", "other/followers/", "star/followers/", "")
    before = {path: api.get(path).data for path in ("other/", "?search=other", "")}
    both_block(api, people)
    for path, data in before.items():
        assert api.get(path).data == data
    suspended(api, people)
    assert [api.get(path).status_code for path in paths] == [404, 404, 404, 200, 200]
    assert usernames(api.get("star/followers/")) == ["viewer", "fan"]
    assert totals(api.get(""))[1] == 4


def test_a_third_person_sees_both(api: Api, people: dict[str, Account]) -> None:
    both_block(api, people)
    idle = people["idle"].access
    assert usernames(api.get("star/followers/", token=idle)) == [
        "viewer",
        "other",
        "fan",
    ]
    assert totals(api.get("", token=idle))[1] == 5


def test_a_suspended_user_is_back_when_restored(
    api: Api, people: dict[str, Account]
) -> None:
    suspended(api, people)
    assert totals(api.get("?batch_size=1"))[1:] == (4, 4)
    change_user(api.app, "other", suspended_at=None)
    assert totals(api.get("?batch_size=1"))[1:] == (5, 5)
    assert api.get("other/", token=people["viewer"].access).status_code == 200
