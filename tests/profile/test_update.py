"""PATCH me/update/ and PATCH me/"""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from careers_users import clock
from careers_users.auth import audit
from careers_users.extensions import db
from tests.api import PASSWORD, Account, Api

PATHS = ("me/update/", "me/")
# How long to let a second change try to overtake a first one that holds the lock.
OVERTAKING_SECONDS = 0.3

BEFORE = {
    "first_name": "Alice",
    "last_name": "Smith",
    "bio": "Software developer passionate about APIs",
    "avatar": "https://example.com/avatar.jpg",
    "email": "alice@example.com",
}
AFTER = {
    "first_name": "Alicia",
    "last_name": "Johnson",
    "bio": "Updated bio\nin two lines",
    "avatar": "https://example.com/new-avatar.jpg",
    "email": "Alice.Johnson@example.com",
}


@pytest.fixture
def alice(api: Api) -> Account:
    """Return a user with everything set."""
    return api.register("alice", **BEFORE)


def update(api: Api, account: Account, changes: Any) -> Any:
    """Return the reply to a good change."""
    response = api.patch("me/update/", changes, token=account.access)
    assert response.status_code == 200, response.text
    return response.json


def own_profile(api: Api, account: Account) -> Any:
    """Return the profile as it is stored."""
    return api.get("me/", token=account.access).json


def found(api: Api, **query: str) -> list[str]:
    """Return the names of whom a search finds."""
    reply: Any = api.get("", query_string=query).json
    return [card["username"] for card in reply["users"]]


@pytest.mark.parametrize("path", PATHS)
def test_replies_as_documented(api: Api, alice: Account, path: str) -> None:
    response = api.patch(path, AFTER, token=alice.access)

    assert response.status_code == 200
    reply = response.json
    profile = own_profile(api, alice)
    assert reply.pop("updated_at") == profile["updated_at"]
    assert reply == {"id": alice.id, "username": "alice", **AFTER}
    assert {name: profile[name] for name in AFTER} == AFTER


def test_any_subset_changes_only_itself(api: Api, alice: Account) -> None:
    expected = {"id": alice.id, "username": "alice", **BEFORE}
    subsets = [[name] for name in AFTER]
    subsets += [["first_name", "bio"], ["avatar", "email", "last_name"], [*AFTER]]

    for names in subsets:
        for values in (AFTER, BEFORE):
            changes = {name: values[name] for name in names}
            reply = update(api, alice, changes)
            assert reply.pop("updated_at")
            assert reply == expected | changes, names


def test_nothing_given_changes_nothing(
    api: Api, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = own_profile(api, alice)
    later = clock.utcnow() + timedelta(minutes=5)
    monkeypatch.setattr("careers_users.clock.utcnow", lambda: later)

    for path in PATHS:
        response = api.patch(path, {}, token=alice.access)
        assert response.status_code == 200
        assert response.json.items() <= before.items()
    assert own_profile(api, alice) == before
    assert found(api, search="passionate") == ["alice"]


def test_updated_at_moves_and_created_at_does_not(
    api: Api, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = own_profile(api, alice)
    later = clock.utcnow() + timedelta(minutes=5)
    monkeypatch.setattr("careers_users.clock.utcnow", lambda: later)

    reply = update(api, alice, {"bio": "Updated bio"})

    profile = own_profile(api, alice)
    assert reply["updated_at"] == f"{later:%Y-%m-%dT%H:%M:%SZ}"
    assert profile["updated_at"] == reply["updated_at"] != before["updated_at"]
    assert profile["created_at"] == before["created_at"]


def test_takes_a_token(api: Api, alice: Account) -> None:
    for path in PATHS:
        for token in (None, "bad", alice.refresh):
            response = api.patch(path, {"bio": "Mine now"}, token=token)
            assert response.status_code == 401
            # The token is checked before the body.
            assert api.patch(path, {"bio": 1}, token=token).status_code == 401
    assert own_profile(api, alice)["bio"] == BEFORE["bio"]


def test_text_is_kept_trimmed_and_in_normal_form(api: Api, alice: Account) -> None:
    changes = {
        "first_name": " A\u0308nne\u2003",
        "last_name": "",
        "bio": "\n a\r\nb\t ",
    }

    reply = update(api, alice, changes)

    assert [reply[name] for name in changes] == ["Änne", "", "a\nb"]
    assert found(api, first_name="ÄNNE") == ["alice"]


def test_the_largest_values_fit(api: Api, alice: Account) -> None:
    picture = "https://example.com/"
    largest = {
        "first_name": "😀" * 150,
        "last_name": "ΐ" * 150,
        "bio": "ﬃ" * 1000,
        "avatar": picture + "a" * (2048 - len(picture)),
        "email": f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 49}.example.com",
    }
    assert len(largest["email"]) == 254

    reply = update(api, alice, largest)

    assert reply.items() >= largest.items()
    for name in largest:
        response = api.patch("me/", {name: largest[name] + "x"}, token=alice.access)
        assert response.status_code == 400, name
        assert list(response.json["details"]) == [name]


def test_a_wrong_value_is_400_and_changes_nothing(api: Api, alice: Account) -> None:
    before = own_profile(api, alice)
    wrong: dict[str, list[Any]] = {
        "first_name": [None, 1, True, [], {}, "a\nb", "a\tb", "\x1b", "a\u202eb"],
        "last_name": [None, 1.5, ["x"], "a\x85b", "\u200b", "x\ufeff", "a\u2028b"],
        "bio": [None, 0, {"a": 1}, "\x00", "a\x0bb", "a\u2066b", "\u200d", "\x7f"],
        "avatar": [1, False, [], " ", "x", "ftp://example.com/a", "//example.com/a"],
        "email": [
            None,
            1,
            "",
            "alice",
            "a@localhost",
            "a@b@example.com",
            "ä@b.example",
        ],
    }
    wrong["avatar"] += ["javascript:alert(1)", "https://", "https://u:p@example.com/"]
    wrong["avatar"] += ["https://example.com/a b", 'https://example.com/"', "http:x"]
    for name, values in wrong.items():
        for value in values:
            changes = {**AFTER, name: value}
            response = api.patch("me/", changes, token=alice.access)
            assert response.status_code == 400, (name, value)
            assert response.json["code"] == "validation_failed"
            assert list(response.json["details"]) == [name]
    response = api.patch("me/", dict.fromkeys(wrong, 1), token=alice.access)
    assert response.json["details"].keys() == wrong.keys()
    assert own_profile(api, alice) == before


def test_fields_not_theirs_to_change_are_unknown(api: Api, alice: Account) -> None:
    before = own_profile(api, alice)
    fields = {**before, "password": PASSWORD, "is_active": False, "token_version": 9}
    fields |= {"search_text": "x", "email_key": "x", "password_hash": "x", "": ""}
    fields |= {"Bio": "x", "bio ": "x", "__class__": "x", "is_following": True}
    for name in fields.keys() - AFTER.keys():
        changes = {"bio": "Updated bio", name: fields[name]}
        response = api.patch("me/update/", changes, token=alice.access)
        assert response.status_code == 400, name
        assert response.json["details"] == {name: ["Unknown field."]}
    assert own_profile(api, alice) == before


def test_an_avatar_is_cleared_by_null_and_by_nothing(api: Api, alice: Account) -> None:
    for nothing in (None, ""):
        assert update(api, alice, {"avatar": AFTER["avatar"]})["avatar"]
        assert update(api, alice, {"avatar": nothing})["avatar"] is None
        assert own_profile(api, alice)["avatar"] is None
    for path in ("alice/", "?search=alice"):
        assert '"avatar":null' in api.get(path).text


def test_an_email_address_of_another_user_is_409(api: Api, alice: Account) -> None:
    api.register("bob", email="Bob@example.com")
    before = own_profile(api, alice)

    for email in ("Bob@example.com", "bob@EXAMPLE.com", "BOB@EXAMPLE.COM"):
        changes = {"email": email, "bio": "Updated bio"}
        response = api.patch("me/", changes, token=alice.access)
        assert response.status_code == 409
        assert response.json["code"] == "email_taken"
        assert list(response.json["details"]) == ["email"]
    assert own_profile(api, alice) == before


def test_an_email_address_of_ones_own_may_change(api: Api, alice: Account) -> None:
    assert update(api, alice, {"email": "ALICE@example.com"})
    update(api, alice, {"email": AFTER["email"]})

    def log_in(email: str) -> int:
        body = {"username": email, "password": PASSWORD}
        return api.post("login/", body).status_code

    assert log_in("alice.johnson@example.com") == 200
    assert log_in("alice@example.com") == 401
    api.register("alice2", email="alice@example.com")


def test_the_index_of_names_follows(api: Api, alice: Account) -> None:
    update(api, alice, {"first_name": "ÉLODIE", "last_name": "Straße"})

    assert found(api, first_name="élo", last_name="STRASSE") == ["alice"]
    assert found(api, first_name="alice") == []
    assert found(api, search="passionate", q="élodie") == ["alice"]


def test_two_changes_at_once_are_both_found(api: Api, alice: Account) -> None:
    """A change that comes between another's read and write must not be lost."""
    overtaking: list[Future[Any]] = []
    with api.app.app_context():
        engine = db.engine

    def overtake(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE users") and not overtaking:
            change = {"last_name": "Overtaker"}
            future = pool.submit(api.patch, "me/", change, token=alice.access)
            overtaking.append(future)
            wait([future], OVERTAKING_SECONDS)

    with ThreadPoolExecutor(1) as pool:
        event.listen(engine, "before_cursor_execute", overtake)
        update(api, alice, {"first_name": "Overtaken"})
        event.remove(engine, "before_cursor_execute", overtake)
        assert overtaking[0].result().status_code == 200

    profile = own_profile(api, alice)
    assert (profile["first_name"], profile["last_name"]) == ("Overtaken", "Overtaker")
    for term in ("overtaken", "overtaker", "passionate"):
        assert found(api, search=term) == ["alice"], term


def test_a_change_that_a_new_password_overtakes_is_refused(
    api: Api, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a thief's address would be in the account after the owner's new password."""
    real = audit.transaction

    def overtaken() -> Any:
        monkeypatch.setattr(audit, "transaction", real)
        new = {"password": "password456", "password_confirm": "password456"}
        body = {"old_password": PASSWORD, **new}
        assert api.post("me/password/", body, token=alice.access).status_code == 200
        return real()

    monkeypatch.setattr(audit, "transaction", overtaken)
    body = {"email": "thief@example.org"}
    refused = api.patch("me/", body, token=alice.access)

    assert (refused.status_code, refused.json["code"]) == (401, "token_revoked")
    login = {"username": BEFORE["email"], "password": "password456"}
    assert api.post("login/", login).status_code == 200
