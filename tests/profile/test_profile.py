"""GET {username}/"""

from typing import Any

from sqlalchemy import delete

from careers_users.extensions import db
from careers_users.models import User
from careers_users.validation.limits import BASE_PATH
from tests.api import Api


def get_raw(api: Api, path: str) -> Any:
    """GET a path as its bytes come over the wire, which a URL can't always say."""
    return api.get("", environ_overrides={"PATH_INFO": f"{BASE_PATH}/{path}"})


def test_replies_as_documented(api: Api) -> None:
    fields = {
        "first_name": "Alice",
        "last_name": "Smith",
        "bio": "Software developer passionate about APIs",
        "avatar": "https://example.com/avatar.jpg",
    }
    alice = api.register("alice", **fields)
    others = [api.register(username) for username in ("bob", "carol", "dave")]
    for other in others:
        api.post("follow/", {"following": alice.id}, token=other.access)
    api.post("follow/", {"following": others[0].id}, token=alice.access)

    reply = api.get("alice/").json

    assert reply.pop("created_at")
    assert reply == {
        "id": alice.id,
        "username": "alice",
        **fields,
        "posts_count": 0,
        "followers_count": 3,
        "following_count": 1,
    }


def test_fields_not_set_are_empty_and_the_avatar_null(api: Api) -> None:
    api.register("alice")

    reply = api.get("alice/").json

    names = ("first_name", "last_name", "bio", "avatar")
    assert [reply[name] for name in names] == ["", "", "", None]


def test_everybody_sees_the_same_whatever_the_case_of_the_name(api: Api) -> None:
    alice = api.register("Alice_B.c-9", email="hidden@example.com")
    bob = api.register("bob")

    reply = api.get("Alice_B.c-9/")

    assert reply.json["username"] == "Alice_B.c-9"
    assert "hidden" not in reply.text
    for path in ("alice_b.c-9/", "ALICE_B.C-9/", "Alice_B.c-9", "%41lice_B.c-9/"):
        assert api.get(path).data == reply.data
    for token in (alice.access, bob.access):
        assert api.get("alice_b.c-9/", token=token).data == reply.data


def test_an_unknown_user_is_404(api: Api) -> None:
    api.register("alice")
    api.register("kate")

    for name in ("alic", "alice2", "1", "0", "alice%20", "%20alice", "alice%0A", "*"):
        response = api.get(f"{name}/")
        assert (response.status_code, response.json["code"]) == (404, "user_not_found")
    # The Kelvin sign and the like are letters that fold to ASCII ones.
    for name in ("\u212aate", "al\u0131ce", "AL\u0130CE", "ａlice", "alice\u0301"):
        assert api.get(f"{name}/").status_code == 404, name


def test_a_text_that_cannot_be_a_name_is_404(api: Api) -> None:
    api.register("alice")

    impossible = ["\x00", "alice\x00", "al\x00ice", "\xff", "\xff\xfe", "\xed\xa0\x80"]
    impossible += ["a" * 10_000, "%" * 500, "a", "ab", "a" * 31, "..", "a..b", "a--b"]
    impossible += [".alice", "alice-", "alice\\", "' OR 1=1 --", "\x7f", "\xf0\x9f\x98"]
    for name in impossible:
        for path in (f"{name}/", name, f"{name}/stats/"):
            response = get_raw(api, path)
            assert response.status_code == 404, name[:20]
            assert response.json["code"] == "user_not_found", name[:20]
    # An encoded slash is a slash by the time the application sees it.
    assert get_raw(api, "alice/bob/").json["code"] == "not_found"
    assert api.get("alice%2Fstats/").status_code == 200


def check_me(api: Api, me: str) -> None:
    """Assert that a name is the viewer's own wherever a name can stand."""
    alice = api.register("alice")

    for path in ("", "stats/", "followers/", "following/"):
        response = api.get(f"{me}/{path}")
        assert response.status_code == 401, path
        assert response.json["code"] == "not_authenticated"
        response = api.get(f"{me}/{path}", token=alice.access)
        assert response.status_code == 200, path
    assert api.get(f"{me}/", token=alice.access).json["username"] == "alice"
    response = api.delete(f"{me}/unfollow/", token=alice.access)
    assert response.json["code"] == "cannot_follow_self"


def test_me_is_the_viewer_and_needs_a_token(api: Api) -> None:
    check_me(api, "me")


def test_me_is_the_viewer_whatever_its_case(api: Api) -> None:
    check_me(api, "ME")


def test_a_deleted_user_is_404(api: Api) -> None:
    alice = api.register("alice")

    with api.app.app_context(), db.session.begin():
        db.session.execute(delete(User).where(User.id == alice.id))

    for path in ("alice/", "alice/stats/"):
        assert api.get(path).json["code"] == "user_not_found"
