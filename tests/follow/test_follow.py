"""POST follow/"""

from datetime import UTC, datetime
from typing import Any

import pytest

from careers_users.validation.limits import ID_MAX
from tests.api import Api


def test_replies_field_for_field_as_documented(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2024, 1, 15, 10, 30, 0, 999999, UTC)
    monkeypatch.setattr("careers_users.clock.utcnow", lambda: moment)
    alice = api.register("alice")
    bob = api.register("bob")

    response = api.post("follow/", {"following": bob.id}, token=alice.access)

    assert response.status_code == 201
    assert response.json == {
        "id": 1,
        "follower": 1,
        "following": 2,
        "follower_username": "alice",
        "following_username": "bob",
        "created_at": "2024-01-15T10:30:00Z",
    }
    assert response.headers["Cache-Control"] == "no-store"


def test_a_username_in_any_case_will_do(api: Api) -> None:
    bob = api.register("Bob.B-1")
    for viewer, name in (
        ("Alice", "Bob.B-1"),
        ("Carol", "bob.b-1"),
        ("Eve", "BOB.B-1"),
    ):
        token = api.register(viewer).access
        response = api.post("follow/", {"username": name}, token=token)
        assert response.status_code == 201
        assert response.json["following"] == bob.id
        # Names are shown as their owners typed them.
        assert response.json["following_username"] == "Bob.B-1"
        assert response.json["follower_username"] == viewer


def test_changes_the_numbers_of_both_and_of_no_other(api: Api) -> None:
    alice, bob, carol = (api.register(name) for name in ("alice", "bob", "carol"))
    api.post("follow/", {"following": bob.id}, token=alice.access)

    shown = {
        name: (
            api.get(f"{name}/").json["followers_count"],
            api.get(f"{name}/").json["following_count"],
        )
        for name in ("alice", "bob", "carol")
    }
    assert shown == {"alice": (0, 1), "bob": (1, 0), "carol": (0, 0)}
    stats = api.get("me/stats/", token=bob.access).json
    assert (stats["followers_count"], stats["following_count"]) == (1, 0)
    # Following has a direction.
    back = api.post("follow/", {"following": alice.id}, token=bob.access)
    assert back.status_code == 201
    assert api.get("followers/", token=carol.access).json["count"] == 0


def test_twice_is_a_conflict_however_the_user_is_named(api: Api) -> None:
    alice = api.register("alice")
    bob = api.register("bob")
    first = api.post("follow/", {"following": bob.id}, token=alice.access)
    assert first.status_code == 201

    for body in ({"following": bob.id}, {"username": "bob"}, {"username": "BOB"}):
        response = api.post("follow/", body, token=alice.access)
        assert response.status_code == 409
        assert response.json["code"] == "already_following"
    assert api.get("bob/").json["followers_count"] == 1
    assert api.get("following/", token=alice.access).json["count"] == 1


def test_oneself_is_refused(api: Api) -> None:
    alice = api.register("alice")
    for body in ({"following": alice.id}, {"username": "ALICE"}):
        response = api.post("follow/", body, token=alice.access)
        assert response.status_code == 400
        assert response.json["code"] == "cannot_follow_self"
    assert api.get("alice/").json["followers_count"] == 0


NOBODY: list[dict[str, Any]] = [
    {"following": 2},
    {"following": ID_MAX},
    {"username": "bob"},
    {"username": "me"},
    {"username": "no such form"},
    {"username": "alice\u200b"},
    {"username": "\u0430lice"},  # with a Cyrillic first letter
    {"username": "%"},
]


def test_an_unknown_user_is_not_found(api: Api) -> None:
    alice = api.register("alice")
    for body in NOBODY:
        response = api.post("follow/", body, token=alice.access)
        assert response.status_code == 404, body
        assert response.json["code"] == "user_not_found"


def refuse(api: Api, bodies: list[str], fields: list[str]) -> None:
    """Assert that each body, as it is on the wire, is refused for these fields."""
    alice = api.register("alice")
    bob = api.register("bob")
    assert bob.id == 2  # whom the bodies name
    for data in bodies:
        response = api.call(
            "POST",
            "follow/",
            data=data,
            content_type="application/json",
            token=alice.access,
        )
        assert response.status_code == 400, data
        assert response.json["code"] == "validation_failed"
        assert list(response.json["details"]) == fields, data
    assert api.get("bob/").json["followers_count"] == 0


def test_following_is_an_integer_from_1_to_the_largest_id(api: Api) -> None:
    values = 'true false 2.0 2e0 "2" "" null [2] {"id":2} 0 -0 -1'.split()
    values += [str(ID_MAX + 1), str(10**40), "-" + str(10**40)]
    refuse(api, [f'{{"following": {value}}}' for value in values], ["following"])


def test_username_is_a_short_string(api: Api) -> None:
    values = ["2", "true", "null", '["bob"]', '""', f'"{"b" * 31}"', '"bob\\u0000"']
    refuse(api, [f'{{"username": {value}}}' for value in values], ["username"])


def test_either_a_number_or_a_name_is_given(api: Api) -> None:
    refuse(api, ["{}"], ["following"])


def test_not_both_a_number_and_a_name_are_given(api: Api) -> None:
    refuse(api, ['{"following": 2, "username": "bob"}'], ["username"])


def test_an_unknown_field_is_refused(api: Api) -> None:
    refuse(api, ['{"following": 2, "user_id": 2}', '{"user_id": 2}'], ["user_id"])


def test_needs_a_token_before_all_else(api: Api) -> None:
    bob = api.register("bob")
    for body in ({"following": bob.id}, {"following": "nonsense"}):
        response = api.post("follow/", body)
        assert response.status_code == 401
        assert response.json["code"] == "not_authenticated"
        response = api.post("follow/", body, token=bob.refresh)
        assert response.status_code == 401
        assert response.json["code"] == "token_invalid"
    assert api.get("bob/").json["followers_count"] == 0
