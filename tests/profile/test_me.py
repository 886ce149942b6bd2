"""GET me/"""

from datetime import timedelta

import pytest
from sqlalchemy import delete

from careers_users import clock
from careers_users.extensions import db
from careers_users.models import User
from tests.api import Api


def test_replies_as_documented(api: Api) -> None:
    fields = {
        "email": "Alice@example.com",
        "first_name": "Alice",
        "last_name": "Smith",
        "bio": "Software developer passionate about APIs",
        "avatar": "https://example.com/avatar.jpg",
    }
    alice = api.register("alice", **fields)
    bob = api.register("bob")
    api.post("follow/", {"following": bob.id}, token=alice.access)

    reply = api.get("me/", token=alice.access).json

    assert reply.pop("created_at") == reply.pop("updated_at")
    assert reply == {
        "id": alice.id,
        "username": "alice",
        **fields,
        "posts_count": 0,
        "followers_count": 0,
        "following_count": 1,
    }
    assert api.get("me/", token=bob.access).json["followers_count"] == 1
    assert api.get("me", token=alice.access).json["username"] == "alice"


def test_times_are_utc_in_whole_seconds(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = clock.utcnow().replace(microsecond=999_999)
    monkeypatch.setattr("careers_users.clock.utcnow", lambda: moment)
    alice = api.register("alice")
    later = moment + timedelta(minutes=1)
    monkeypatch.setattr("careers_users.clock.utcnow", lambda: later)
    api.patch("me/update/", {"bio": "Hello"}, token=alice.access)

    reply = api.get("me/", token=alice.access).json

    assert reply["created_at"] == f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    assert reply["updated_at"] == f"{later:%Y-%m-%dT%H:%M:%SZ}"


def test_takes_a_token_that_is_good(api: Api) -> None:
    alice = api.register("alice")

    for token, code in (
        (None, "not_authenticated"),
        ("bad", "token_invalid"),
        (alice.refresh, "token_invalid"),
    ):
        response = api.get("me/", token=token)
        assert (response.status_code, response.json["code"]) == (401, code)


def test_a_deleted_user_has_no_session(api: Api) -> None:
    alice = api.register("alice")

    with api.app.app_context(), db.session.begin():
        db.session.execute(delete(User).where(User.id == alice.id))

    for path in ("me/", "me/stats/", "me/followers/", ""):
        response = api.get(path, token=alice.access)
        assert (response.status_code, response.json["code"]) == (401, "token_revoked")
    response = api.patch("me/", {"bio": "Hello"}, token=alice.access)
    assert response.json["code"] == "token_revoked"
