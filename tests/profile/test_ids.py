"""GET / with ids: how a sister service turns numbers into cards."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from careers_users import create_app
from careers_users.extensions import db
from careers_users.validation.limits import ID_MAX
from config import TestConfig
from tests.api import Account, Api
from tests.post_events.posts_service import TOKENS


@pytest.fixture
def people(api: Api) -> list[Account]:
    """Twelve users."""
    return [api.register(f"user{n:02}", first_name=f"Name {n}") for n in range(12)]


def shown(api: Api, **query: str) -> list[int]:
    """Return the numbers of a batch; the total must be theirs, too."""
    response = api.get("", query_string=query)
    assert response.status_code == 200, response.text
    ids = [card["id"] for card in response.json["users"]]
    assert response.json["batch_info"]["total_users"] == len(ids)
    return ids


def test_limits_the_list_to_these_users(api: Api, people: list[Account]) -> None:
    ids = [account.id for account in people]

    assert shown(api, ids=f"{ids[3]},{ids[1]}") == [ids[1], ids[3]]
    assert shown(api, ids=f"{ids[2]}") == [ids[2]]
    assert shown(api, ids=",".join(map(str, ids))) == ids
    for query in (f"{ids[0]},999999,{ids[0]},{ID_MAX}", str(ids[0])):
        assert shown(api, ids=query) == [ids[0]]
    for nobody in ("", "999999", f"{ID_MAX}"):
        assert shown(api, ids=nobody) == []


def test_makes_100_the_default_size_of_a_batch(api: Api, people: list[Account]) -> None:
    ids = ",".join(str(account.id) for account in people)

    for query, size in (({}, 100), ({"batch_size": "5"}, 5)):
        info = api.get("", query_string={"ids": ids, **query}).json["batch_info"]
        assert info["batch_size"] == size
        assert info["total_users"] == 12
    reply = api.get("", query_string={"ids": ids, "batch_size": "5", "batch_number": 2})
    assert [card["id"] for card in reply.json["users"]] == [a.id for a in people[10:]]


def test_holds_together_with_all_else(api: Api, people: list[Account]) -> None:
    a, b, c = people[0].id, people[1].id, people[11].id
    ids = f"{c},{a},{b}"

    assert shown(api, ids=ids, search="name 1") == [b, c]
    assert shown(api, ids=ids, q="na user") == [a, b, c]
    assert shown(api, ids=ids, first_name="11") == [c]
    assert shown(api, ids=ids, search="\u0301") == []
    assert shown(api, ids=ids, ordering="-created_at") == [c, b, a]


def test_junk_and_more_than_100_are_refused(api: Api) -> None:
    assert shown(api, ids=",".join(map(str, range(1, 101)))) == []
    junk = ["0", "-1", "01", "1,", "1,,2", "1, 2", "x", "１", "1_0", str(ID_MAX + 1)]
    for ids in [*junk, ",".join(map(str, range(1, 102)))]:
        response = api.get("", query_string={"ids": ids})
        assert response.status_code == 400, ids
        assert list(response.json["details"]) == ["ids"], ids


@pytest.fixture
def private(settings: TestConfig) -> Iterator[Api]:
    """Yield the API of an operator who lets only users and sister services read."""
    app = create_app(replace(settings, public_reads=False, events_tokens=TOKENS))
    yield Api(app)
    with app.app_context():
        db.engine.dispose()


def test_a_sister_service_reads_what_anybody_could(private: Api) -> None:
    alice, bob = private.register("alice"), private.register("bob")
    private.put("bob/follow/", token=alice.access)
    paths = ["", f"?ids={alice.id},{bob.id}", "?search=alice", "alice/", "bob/stats/"]
    paths += ["bob/followers/", "alice/following/"]

    for path in paths:
        assert private.get(path).json["code"] == "not_authenticated", path
        for token in TOKENS:
            assert private.get(path, token=token).status_code == 200, path
        assert private.get(path, token=alice.access).status_code == 200, path
        for bad in (TOKENS[0][:-1], f"{TOKENS[0]}x", "x"):
            response = private.get(path, token=bad)
            assert response.json["code"] == "token_invalid", path
        scheme = {"Authorization": f"Basic {TOKENS[0]}"}
        assert private.get(path, headers=scheme).status_code == 401, path
    users = private.get("", token=TOKENS[0]).json["users"]
    assert [user["is_following"] for user in users] == [False, False]


def test_a_sister_service_is_no_user(private: Api) -> None:
    private.register("alice")

    for path in ("me/", "me/followers/", "me/stats/", "following/", "relationships/"):
        assert private.get(path, token=TOKENS[0]).status_code == 401, path
    body = {"username": "alice"}
    assert private.post("follow/", body, token=TOKENS[0]).status_code == 401


def test_where_reads_are_public_its_credential_is_good_too(
    settings: TestConfig,
) -> None:
    app = create_app(replace(settings, events_tokens=TOKENS))
    api = Api(app)
    api.register("alice")
    assert api.get("alice/", token=TOKENS[1]).status_code == 200
    assert api.get("alice/", token=f"{TOKENS[1]}x").status_code == 401
    with app.app_context():
        db.engine.dispose()
