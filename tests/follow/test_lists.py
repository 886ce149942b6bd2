"""GET following/, followers/, {username}/followers/, {username}/following/"""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from careers_users.extensions import db
from tests.api import Account, Api
from tests.follow.followers import add_followers

OTHERS = ["bob", "carol", "dave", "erin"]
# A list, and where those stand in its rows whom it lists.
OWN_LISTS = [("following/", "following_username"), ("followers/", "follower_username")]
CARD_LISTS = ["alice/followers/", "alice/following/", "me/followers/", "me/following/"]


@pytest.fixture
def alice(api: Api) -> Account:
    """Return a user who follows all others, in their order, and is followed back."""
    alice = api.register("alice")
    for name in OTHERS:
        other = api.register(name, first_name=name.title(), last_name="Example")
        api.post("follow/", {"following": other.id}, token=alice.access)
        api.post("follow/", {"following": alice.id}, token=other.access)
    return alice


def names(reply: Any, key: str = "username") -> list[str]:
    """Return the usernames in a reply."""
    return [row[key] for row in reply.json["results"]]


# -- What is in them -------------------------------------------------------------------


def test_own_lists_show_edges_newest_first(api: Api, alice: Account) -> None:
    for path, key in OWN_LISTS:
        response = api.get(path, token=alice.access)
        assert names(response, key) == OTHERS[::-1]
        assert response.json["count"] == 4
        assert response.json["next"] is None
        assert response.json["previous"] is None
        ids = [row["id"] for row in response.json["results"]]
        assert ids == sorted(ids, reverse=True)


def test_a_row_of_an_own_list_is_what_follow_replied(api: Api) -> None:
    alice = api.register("alice")
    bob = api.register("bob")
    edge = api.post("follow/", {"following": bob.id}, token=alice.access).json
    assert api.get("following/", token=alice.access).json["results"] == [edge]
    assert api.get("followers/", token=bob.access).json["results"] == [edge]
    assert api.get("following/", token=bob.access).json["results"] == []
    assert api.get("followers/", token=alice.access).json["results"] == []


def test_lists_of_anybody_show_cards_newest_first(api: Api, alice: Account) -> None:
    newest = {
        "id": 5,
        "username": "erin",
        "first_name": "Erin",
        "last_name": "Example",
        "avatar": None,
        "is_following": True,
    }
    for path in CARD_LISTS:
        response = api.get(path, token=alice.access)
        assert names(response) == OTHERS[::-1]
        assert response.json["count"] == 4
        assert response.json["next"] is None
        assert response.json["previous"] is None
        assert response.json["results"][0] == newest
    for path in ("ALICE/followers/", "Alice/following/", "mE/followers/"):
        assert names(api.get(path, token=alice.access)) == OTHERS[::-1]


@pytest.mark.parametrize("side", ["followers", "following"])
def test_is_following_is_the_viewer_s(api: Api, alice: Account, side: str) -> None:
    eve = api.register("eve")
    for name in ("alice", "carol"):
        api.post("follow/", {"username": name}, token=eve.access)
    shown = {
        viewer: {
            card["username"]: card["is_following"]
            for card in api.get(f"alice/{side}/", token=token).json["results"]
        }
        for viewer, token in (("alice", alice.access), ("eve", eve.access), ("", None))
    }
    strangers = {"eve": False} if side == "followers" else {}
    assert shown["alice"] == dict.fromkeys(OTHERS, True) | strangers
    assert shown["eve"] == dict.fromkeys(OTHERS, False) | {"carol": True} | strangers
    assert shown[""] == dict.fromkeys(OTHERS, False) | strangers


def test_lists_of_a_new_user_are_empty(api: Api) -> None:
    alice = api.register("alice")
    empty: dict[str, Any] = {"count": 0, "next": None, "previous": None, "results": []}
    for path in ("following/", "followers/", *CARD_LISTS):
        response = api.get(path, token=alice.access)
        assert response.status_code == 200
        assert response.json == empty


# -- Who may see them ------------------------------------------------------------------


def test_own_lists_need_a_token(api: Api) -> None:
    alice = api.register("alice")
    for path in ("following/", "followers/", "me/following/", "me/followers/"):
        response = api.get(path)
        assert response.status_code == 401
        assert response.json["code"] == "not_authenticated"
        assert api.get(path, token=alice.access).status_code == 200


def test_lists_of_others_take_a_good_token_or_none(api: Api, alice: Account) -> None:
    for path in CARD_LISTS[:2]:
        assert names(api.get(path)) == OTHERS[::-1]
        for token in ("nonsense", alice.refresh, ""):
            response = api.get(path, token=token)
            assert response.status_code == 401
            assert response.json["code"] == "token_invalid"


def test_an_unknown_user_is_not_found(api: Api) -> None:
    for name in ("nobody", "no such form", "b%00b", "%25", "n" * 300):
        for side in ("followers", "following"):
            response = api.get(f"{name}/{side}/")
            assert response.status_code == 404, name
            assert response.json["code"] == "user_not_found"


# -- Batches ---------------------------------------------------------------------------

ALL_LISTS = ["following/", "followers/", *CARD_LISTS[:2]]


def test_batches_are_cut_from_the_whole_list(api: Api, alice: Account) -> None:
    for path in ALL_LISTS:
        whole = api.get(path, token=alice.access).json["results"]
        for query, expected in (
            ("batch_size=2", whole[:2]),
            ("batch_size=2&batch_number=0", whole[:2]),
            ("batch_size=2&batch_number=1", whole[2:]),
            ("batch_size=3&batch_number=1", whole[3:]),
            ("batch_size=4&batch_number=1", []),
            ("batch_number=1", []),
            ("batch_size=999999999&batch_number=0", whole),
            ("batch_size=100&batch_number=999999999", []),
        ):
            response = api.get(f"{path}?{query}", token=alice.access)
            assert response.status_code == 200, (path, query)
            assert response.json["results"] == expected, (path, query)
            assert response.json["count"] == 4


def test_a_number_in_the_query_is_a_few_digits(api: Api) -> None:
    alice = api.register("alice")
    bad = "-1 1.0 1e1 x %20 +1 1_0 0x1 1000000000 %D9%A1 %EF%BC%91 true".split()
    bad_sizes = [("batch_size", value) for value in (*bad, "", "0")]
    bad_numbers = [("batch_number", value) for value in (*bad, "")]
    for path in ALL_LISTS:
        for name, value in bad_sizes + bad_numbers:
            response = api.get(f"{path}?{name}={value}", token=alice.access)
            assert response.status_code == 400, (path, name, value)
            assert response.json["code"] == "validation_failed"
            assert list(response.json["details"]) == [name]


def test_unknown_and_repeated_parameters_are_refused(api: Api) -> None:
    alice = api.register("alice")
    for path in ALL_LISTS:
        for query, name in (
            ("limit=1", "limit"),
            ("Batch_size=1", "Batch_size"),
            ("batch_size=1&batch_size=2", "batch_size"),
            ("search=bob", "search"),
        ):
            response = api.get(f"{path}?{query}", token=alice.access)
            assert response.status_code == 400, (path, query)
            assert response.json["code"] == "validation_failed"
            assert list(response.json["details"]) == [name]


def test_a_batch_has_100_rows_by_default_and_at_most(api: Api, app: Flask) -> None:
    star = api.register("star")
    add_followers(app, star.id, 102)
    for path in ("followers/", "star/followers/"):
        for query in ("", "?batch_size=100", "?batch_size=101"):
            response = api.get(path + query, token=star.access)
            assert len(response.json["results"]) == 100
            assert response.json["count"] == 102
            assert "batch_size=100&" in response.json["next"]


# -- Cost ------------------------------------------------------------------------------


def test_the_number_of_statements_does_not_grow_with_the_batch(
    api: Api, app: Flask
) -> None:
    star = api.register("star")
    add_followers(app, star.id, 60)
    statements: list[str] = []
    with app.app_context():
        engine = db.engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    for path in ("followers/", "star/followers/", "me/followers/"):
        for size in (1, 50):
            statements.clear()
            response = api.get(f"{path}?batch_size={size}", token=star.access)
            assert len(response.json["results"]) == size
            # The viewer, and the list with its owner.
            assert len(statements) == 2, (path, size)
