"""The table of blocks and suspensions, cell by cell.

V is the viewer, O the other user; `fan` follows O, and O and V follow `star`.
"""

from collections.abc import Callable
from typing import Any

import pytest

from careers_users import clock
from tests.api import Account, Api, Reply
from tests.auth.stored import change_user
from tests.profile.test_statements import statements

NOBODY = "nobody_at_all"
State = Callable[[Api, dict[str, Account]], object]


def v_blocks(api: Api, people: dict[str, Account]) -> None:
    """V blocks O."""
    assert api.put("other/block/", token=people["viewer"].access).status_code == 200


def o_blocks(api: Api, people: dict[str, Account]) -> None:
    """O blocks V."""
    assert api.put("viewer/block/", token=people["other"].access).status_code == 200


def both_block(api: Api, people: dict[str, Account]) -> None:
    """Both block each other: the one who is blocked can still block."""
    o_blocks(api, people)
    v_blocks(api, people)


def suspended(api: Api, _people: dict[str, Account]) -> None:
    """O is suspended, and the edges not yet parked."""
    change_user(api.app, "other", suspended_at=clock.utcnow())


HIDDEN_BY_NAME = [o_blocks, both_block, suspended]
HIDDEN_IN_LISTS = [v_blocks, *HIDDEN_BY_NAME]


@pytest.fixture
def people(api: Api) -> dict[str, Account]:
    """Register users, of whom O follows some and is followed."""
    names = ("viewer", "other", "fan", "star", "idle")
    people = {name: api.register(name, bio="a person of UX") for name in names}
    for follower, followed in (
        ("fan", "other"),
        ("fan", "star"),
        ("other", "star"),
        ("viewer", "star"),
        ("other", "fan"),
        ("viewer", "fan"),
    ):
        api.put(f"{followed}/follow/", token=people[follower].access)
    return people


def usernames(reply: Reply, key: str = "results") -> list[str]:
    """Return the users that a list shows."""
    return [row["username"] for row in reply.json[key]]


def same(reply: Reply, other: Reply) -> bool:
    """Return whether two replies are the same to the byte, but for the request's id."""
    headers = [
        sorted((name, value) for name, value in each.headers if name != "X-Request-ID")
        for each in (reply, other)
    ]
    return (reply.status_code, reply.data, headers[0]) == (
        other.status_code,
        other.data,
        headers[1],
    )


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


# -- In lists --------------------------------------------------------------------------


def totals(reply: Reply) -> tuple[list[str], int, int]:
    """Return the names, and both totals, of a batch of the directory."""
    info = reply.json["batch_info"]
    return usernames(reply, "users"), info["total_users"], info["total_batches"]


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
