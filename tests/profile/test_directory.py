"""GET / without a search: the reply, its order and its batches."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from careers_users import create_app
from careers_users.extensions import db
from careers_users.validation.folding import search as fold
from config import TestConfig
from tests.api import Api

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)

# A server would sort some of these by rules of its own: case, accents, spaces, signs,
# other scripts, emoji. Here the code points of the folded name decide.
NAMES = [
    *("", "", "  ", "-zed", "Zoe", "zoe", "ZOË", "zoë", "Zoe Ann", "zoe_", "zo\u0308e"),
    *("Ärger", "A\u0308rger", "arger", "Straße", "STRASSE", "Strata", "é", "z", "Ø"),
    *("ılık", "İlk", "Ilk", "Ωmega", "ωMEGA", "Жук", "жар", "張", "張 偉", "😀", "😀a"),
    *("\ufb01sh", "fish", "9", "10", "%", "_", "\\", "'", '"', "x" * 150),
]
# Some users come at the same moment, and later numbers not always later.
MILLISECONDS = (0, 0, 1, 5, 2, 2, 4)


class Person(NamedTuple):
    """A user in the list; the fields are the orderings."""

    username: str
    created_at: datetime
    first_name: str
    last_name: str


PEOPLE = [
    Person(
        f"{'aBcDe'[number % 5]}{'-._'[number % 3]}{number:x}",
        NOON + timedelta(milliseconds=MILLISECONDS[number % len(MILLISECONDS)]),
        first_name,
        last_name,
    )
    for number, (first_name, last_name) in enumerate(
        zip(NAMES, NAMES[::-1], strict=True)
    )
]


def directory(api: Api, **query: Any) -> Any:
    """Return the reply to a good question."""
    token = query.pop("token", None)
    response = api.get("", query_string=query, token=token)
    assert response.status_code == 200, response.text
    return response.json


def usernames(api: Api, **query: Any) -> list[str]:
    """Return the names in a batch, in order."""
    return [card["username"] for card in directory(api, **query)["users"]]


def test_replies_as_documented(api: Api) -> None:
    alice = api.register(
        "alice",
        first_name="Alice",
        last_name="Smith",
        bio="Software developer passionate about APIs",
        avatar="https://example.com/avatar.jpg",
    )
    bob = api.register("bob")

    assert directory(api) == {
        "message": "Users retrieved successfully",
        "users": [
            {
                "id": alice.id,
                "username": "alice",
                "first_name": "Alice",
                "last_name": "Smith",
                "avatar": "https://example.com/avatar.jpg",
                "is_following": False,
            },
            {
                "id": bob.id,
                "username": "bob",
                "first_name": "",
                "last_name": "",
                "avatar": None,
                "is_following": False,
            },
        ],
        "batch_info": {
            "current_batch": 0,
            "batch_size": 10,
            "total_users": 2,
            "total_batches": 1,
            "users_in_current_batch": 2,
        },
    }


def test_without_users_there_is_no_batch(api: Api) -> None:
    assert directory(api)["users"] == []
    assert directory(api)["batch_info"] == {
        "current_batch": 0,
        "batch_size": 10,
        "total_users": 0,
        "total_batches": 0,
        "users_in_current_batch": 0,
    }


def followed(api: Api, token: str | None) -> set[str]:
    """Return the usernames that the list shows as followed."""
    users = directory(api, token=token)["users"]
    return {card["username"] for card in users if card["is_following"]}


def test_is_following_is_about_the_viewer(api: Api) -> None:
    alice, bob, _ = (api.register(name) for name in ("alice", "bob", "carol"))
    api.post("follow/", {"following": bob.id}, token=alice.access)

    assert followed(api, alice.access) == {"bob"}
    assert followed(api, bob.access) == set()
    assert followed(api, None) == set()

    api.delete("bob/unfollow/", token=alice.access)

    assert followed(api, alice.access) == set()


def test_a_bad_token_is_401_and_never_anonymous(api: Api) -> None:
    for path in ("", "alice/", "alice/stats/"):
        response = api.get(path, token="bad")
        assert (response.status_code, response.json["code"]) == (401, "token_invalid")


@pytest.fixture
def private_api(settings: TestConfig) -> Iterator[Api]:
    """Yield the API of an operator who lets only users read."""
    app = create_app(replace(settings, public_reads=False))
    yield Api(app)
    with app.app_context():
        db.engine.dispose()


def test_without_public_reads_it_takes_a_token(private_api: Api) -> None:
    alice = private_api.register("alice")

    for path in ("", "alice/", "alice/stats/"):
        assert private_api.get(path).status_code == 401, path
        assert private_api.get(path, token=alice.access).status_code == 200, path


def test_no_email_address_is_shown_or_found(api: Api) -> None:
    alice = api.register("alice", email="hidden@example.com")

    response = api.get("", token=alice.access)

    assert "hidden" not in response.text
    for term in ("hidden", "hidden@example.com", "example.com", "@"):
        assert directory(api, search=term)["users"] == [], term


def register_people(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register everybody, each in their moment."""
    for username, moment, first_name, last_name in PEOPLE:
        monkeypatch.setattr("careers_users.clock.utcnow", lambda moment=moment: moment)
        api.register(username, first_name=first_name, last_name=last_name)


def in_order(ordering: str) -> list[str]:
    """Return the usernames in an ordering; `PEOPLE` are in order of id."""

    def key(person: Person) -> Any:
        value = getattr(person, ordering)
        return fold(value.strip()) if isinstance(value, str) else value

    return [person.username for person in sorted(PEOPLE, key=key)]


def test_each_ordering_is_the_same_on_every_database_and_minus_its_reverse(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_people(api, monkeypatch)

    for ordering in Person._fields:
        whole = usernames(api, ordering=ordering, batch_size=100)
        assert whole == in_order(ordering), ordering
        backwards = usernames(api, ordering=f"-{ordering}", batch_size=100)
        assert backwards == whole[::-1], ordering
    assert usernames(api, batch_size=100) == in_order("username")

    # Batches cut ties anywhere, and show no user twice.
    for ordering in ("first_name", "-created_at"):
        whole = usernames(api, ordering=ordering, batch_size=100)
        batches = [
            usernames(api, ordering=ordering, batch_size=7, batch_number=number)
            for number in range(-(-len(whole) // 7))
        ]
        assert list(itertools.chain(*batches)) == whole, ordering


def test_an_unknown_ordering_is_400(api: Api) -> None:
    junk = ["", "-", "id", "email", "USERNAME", "--username", "+username", " username"]
    junk += ["username,id", "username desc", "password_hash", "username;", "ｕsername"]
    for ordering in junk:
        response = api.get("", query_string={"ordering": ordering})
        assert response.status_code == 400, ordering
        assert list(response.json["details"]) == ["ordering"]


def test_a_number_that_is_junk_is_400(api: Api) -> None:
    junk = ["", "-1", "-0", "+1", "1.5", "1e1", " 7", "7 ", "1_0", "0x10", "ten", "1,0"]
    junk += [
        "１０",
        "١",
        "²",
        "1234567890",
        "9" * 5000,
        "NaN",
        "true",
        "null",
        "\u200b1",
    ]
    for name in ("batch_size", "batch_number"):
        for number in junk:
            response = api.get("", query_string={name: number})
            assert response.status_code == 400, (name, number[:20])
            assert response.json["code"] == "validation_failed"
            assert list(response.json["details"]) == [name]
    assert api.get("?batch_size=0").json["details"].keys() == {"batch_size"}
    assert api.get("?batch_size=000").status_code == 400


def test_batch_size_is_10_unless_told_and_at_most_100(api: Api) -> None:
    for number in range(12):
        api.register(f"user{number:02}")

    given = ["1", "5", "007", "11", "99", "100", "101", "250", "999999999"]
    rows: list[tuple[dict[str, str], int]] = [({}, 10)]
    rows += [({"batch_size": size}, min(int(size), 100)) for size in given]
    for query, size in rows:
        reply = directory(api, **query)
        shown = min(size, 12)
        assert len(reply["users"]) == shown, query
        assert reply["batch_info"] == {
            "current_batch": 0,
            "batch_size": size,
            "total_users": 12,
            "total_batches": -(-12 // size),
            "users_in_current_batch": shown,
        }


def test_batches_count_from_0_and_the_one_past_the_end_is_empty(api: Api) -> None:
    everybody = [api.register(f"user{number}").username for number in range(5)]

    assert usernames(api, batch_size=2, batch_number=0) == everybody[:2]
    assert usernames(api, batch_size=2, batch_number=2) == everybody[4:]
    for size, number in ((2, 3), (5, 1), (100, 999_999_999), (999_999_999, 1)):
        reply = directory(api, batch_size=size, batch_number=number)
        assert reply["users"] == []
        assert reply["batch_info"] == {
            "current_batch": number,
            "batch_size": min(size, 100),
            "total_users": 5,
            "total_batches": -(-5 // min(size, 100)),
            "users_in_current_batch": 0,
        }
