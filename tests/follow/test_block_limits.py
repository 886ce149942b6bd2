"""Refusals of blocks and mutes: oneself, unknown users, limits, bodies and cursors."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from careers_users import create_app
from careers_users.extensions import db
from careers_users.settings.rates import Rate
from careers_users.validation import limits
from config import TestConfig
from tests.api import Account, Api

CALLS = ("block", "mute")
LISTS = ("blocks", "mutes")


@pytest.fixture
def alice(api: Api) -> Account:
    """Register a user beside three others."""
    for name in ("bob", "carol", "dave"):
        api.register(name)
    return api.register("alice")


@pytest.mark.parametrize("call", CALLS)
def test_unknown_users_and_oneself_are_refused(
    api: Api, alice: Account, call: str
) -> None:
    for method in ("PUT", "DELETE"):
        for name in ("nobody", "no such form", "%F0%9F%A6%84"):
            reply = api.call(method, f"{name}/{call}/", token=alice.access)
            assert (reply.status_code, reply.json["code"]) == (404, "user_not_found")
        for name in ("alice", "ALICE", "me", "Me"):
            reply = api.call(method, f"{name}/{call}/", token=alice.access)
            assert reply.status_code == 400
            assert reply.json["code"] == "cannot_target_self"
        assert api.call(method, f"bob/{call}/").json["code"] == "not_authenticated"


@pytest.mark.parametrize("call", CALLS)
def test_a_body_is_nothing_or_an_object(api: Api, alice: Account, call: str) -> None:
    for method in ("PUT", "DELETE"):
        path = f"bob/{call}/"
        for data in (b"[]", b"null", b"x", b'{"a":1,"a":2}'):
            reply = api.call(
                method,
                path,
                token=alice.access,
                data=data,
                content_type="application/json",
            )
            assert (reply.status_code, reply.json["code"]) == (400, "malformed_json")
        body = {"until": 1}
        reply = api.call(method, path, token=alice.access, json=body)
        assert (reply.status_code, list(reply.json["details"])) == (400, ["until"])
        reply = api.call(method, path, token=alice.access, data=b"{}")
        assert reply.status_code == 415
    assert api.get(f"me/{call}s/", token=alice.access).json["count"] == 0
    reply = api.put("bob/block/", token=alice.access, json={"duration": 300})
    assert reply.status_code == 400


@pytest.mark.parametrize("call", CALLS)
def test_one_more_than_the_limit_is_refused_and_none_that_is_there(
    api: Api, alice: Account, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (limits.BLOCKS_MAX, limits.MUTES_MAX) == (10_000, 10_000)
    for name in ("blocks.BLOCKS_MAX", "mutes.MUTES_MAX"):
        monkeypatch.setattr(f"careers_users.follow.{name}", 2)
    for name in ("bob", "carol", "bob"):
        assert api.put(f"{name}/{call}/", token=alice.access).status_code == 200
    reply = api.put(f"dave/{call}/", token=alice.access)
    assert (reply.status_code, reply.json["code"]) == (409, "limit_reached")
    assert api.put(f"bob/{call}/", token=alice.access).status_code == 200
    assert api.get(f"me/{call}s/", token=alice.access).json["count"] == 2
    api.delete(f"bob/{call}/", token=alice.access)
    assert api.put(f"dave/{call}/", token=alice.access).status_code == 200


@pytest.fixture
def limited(settings: TestConfig) -> Iterator[Api]:
    """Give a client of an application that allows two new follows in an hour."""
    two = Rate(2, 3600)
    app = create_app(replace(settings, ratelimit_enabled=True, ratelimit_follow=two))
    yield Api(app)
    with app.app_context():
        db.engine.dispose()


def test_blocks_and_mutes_are_limited_together(limited: Api) -> None:
    people = [limited.register(name) for name in ("alice", "bob", "carol", "dave")]
    token = people[0].access
    # Follows are counted apart.
    for name in ("bob", "carol"):
        assert limited.put(f"{name}/follow/", token=token).status_code == 201
    assert limited.put("bob/block/", token=token).status_code == 200
    for _ in range(3):  # It is there already.
        assert limited.put("bob/block/", token=token).status_code == 200
    assert limited.put("carol/mute/", token=token).status_code == 200
    for path in ("dave/block/", "dave/mute/", "carol/block/"):
        reply = limited.put(path, token=token)
        assert (reply.status_code, reply.json["code"]) == (429, "rate_limited")
        assert "Retry-After" in reply.headers
    # Taking back is not limited.
    assert limited.delete("bob/block/", token=token).status_code == 200
    assert limited.delete("carol/mute/", token=token).status_code == 200
    assert limited.put("alice/block/", token=people[1].access).status_code == 200


@pytest.mark.parametrize("of", LISTS)
def test_a_cursor_is_good_for_one_list_of_one_user(
    api: Api, alice: Account, of: str
) -> None:
    other = api.register("erin")
    for account in (alice, other):
        for name in ("bob", "carol", "dave"):
            for call in CALLS:
                api.put(f"{name}/{call}/", token=account.access)

    def cursor(path: str, account: Account) -> str:
        next_ = api.get(f"{path}?batch_size=1", token=account.access).json["next"]
        return str(next_).partition("cursor=")[2]

    good = cursor(f"me/{of}/", alice)
    for path in ("following/", "me/following/", "me/activity/"):
        reply = api.get(f"{path}?cursor={good}", token=alice.access)
        assert (reply.status_code, list(reply.json["details"])) == (400, ["cursor"])
    foreign = [
        cursor(f"me/{of}/", other),
        cursor(f"me/{'blocks' if of == 'mutes' else 'mutes'}/", alice),
        *("b2xkZXI6NDI", good[:-1], "x", "", "A" * 65),
    ]
    for word in foreign:
        reply = api.get(f"me/{of}/?cursor={word}", token=alice.access)
        assert (reply.status_code, list(reply.json["details"])) == (400, ["cursor"])
    for query in ("batch_size=0", "batch_size=x", "batch_number=1", "muted=exclude"):
        assert api.get(f"me/{of}/?{query}", token=alice.access).status_code == 400
    page = api.get(f"me/{of}/?batch_size=1&cursor={good}", token=alice.access).json
    assert len(page["results"]) == 1
    first = api.get(page["previous"], token=alice.access).json["results"]
    assert [row["username"] for row in first] == ["dave"]
