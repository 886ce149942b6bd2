"""POST me/password/: what it takes, what it ends, and what it never reveals."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from careers_users import create_app
from careers_users.auth.password_hashing import HashingBusy, Passwords
from careers_users.extensions import db
from careers_users.settings.rates import Rate
from config import TestConfig
from tests.api import PASSWORD, Account, Api, Reply
from tests.auth.stored import at_once, change_user, password_hash, sessions

NEW = "a better passphrase"


def change(api: Api, account: Account, token: str = "", **fields: Any) -> Reply:
    """Change the account's password; fields of None are left out."""
    body = {"old_password": PASSWORD, "password": NEW, "password_confirm": NEW}
    body = {name: value for name, value in (body | fields).items() if value is not None}
    return api.post("me/password/", body, token=token or account.access)


def can_log_in(api: Api, password: str, name: str = "alice") -> bool:
    """Return whether that is the user's password."""
    reply = api.post("login/", {"username": name, "password": password})
    return reply.status_code == 200


def test_the_new_password_counts_from_now_on(api: Api, app: Flask) -> None:
    alice = api.register("alice")
    before = password_hash(app, "alice")

    reply = change(api, alice)
    assert reply.status_code == 200
    assert list(reply.json) == ["access", "refresh"]
    assert password_hash(app, "alice") != before
    assert can_log_in(api, NEW)
    assert not can_log_in(api, PASSWORD)


def test_every_session_ends_and_a_new_one_begins(api: Api, app: Flask) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    login = {"username": "alice", "password": PASSWORD}
    other = api.post("login/", login).json

    new = change(api, alice).json
    for pair in ({"access": alice.access, "refresh": alice.refresh}, other):
        reply = api.get("me/", token=pair["access"])
        assert (reply.status_code, reply.json["code"]) == (401, "token_revoked")
        reply = api.post("token/refresh/", {"refresh": pair["refresh"]})
        assert (reply.status_code, reply.json["code"]) == (401, "token_invalid")
    assert api.get("me/", token=new["access"]).json["username"] == "alice"
    reply = api.post("token/refresh/", {"refresh": new["refresh"]})
    assert api.get("me/", token=reply.json["access"]).status_code == 200
    # It shows in the rows, and no other user is concerned.
    ended = [row["revoked_reason"] for row in sessions(app).values()]
    assert sorted(ended, key=str) == [
        None,
        None,
        "password_changed",
        "password_changed",
    ]
    assert api.get("me/", token=bob.access).status_code == 200
    reply = api.post("logout/", {"refresh": new["refresh"]}, token=new["access"])
    assert reply.status_code == 200


def test_a_wrong_old_password_is_no_fault_of_the_token(api: Api, app: Flask) -> None:
    alice = api.register("alice")
    before = password_hash(app, "alice")

    for wrong in ("wrong password", PASSWORD.upper(), f"{PASSWORD} ", "x" * 4096):
        reply = change(api, alice, old_password=wrong)
        assert reply.status_code == 400, wrong
        assert reply.json["code"] == "validation_failed"
        assert reply.json["details"] == {"old_password": ["Wrong password."]}
    assert password_hash(app, "alice") == before
    assert api.get("me/", token=alice.access).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("old_password", None),
        ("old_password", ""),
        ("old_password", 12345678),
        ("old_password", "x" * 4097),
        ("old_password", "a\x00b"),
        ("password", None),
        ("password", "1234567"),
        ("password", "x" * 257),
        ("password", PASSWORD),
        ("password", "ALICE@example.com"),
        ("password_confirm", None),
        ("password_confirm", NEW.upper()),
        ("more", "x"),
    ],
)
def test_mistakes_are_named(api: Api, field: str, value: Any) -> None:
    alice = api.register("alice")
    fields = {field: value}
    if field == "password" and value is not None:
        fields["password_confirm"] = value

    reply = change(api, alice, **fields)
    assert reply.status_code == 400
    assert list(reply.json["details"]) == [field], reply.json
    assert can_log_in(api, PASSWORD)


def test_a_password_is_the_same_in_either_normal_form(api: Api) -> None:
    alice = api.register("alice")
    composed, decomposed = "caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301"

    fields = {"password": decomposed, "password_confirm": composed}
    assert change(api, alice, **fields).status_code == 200
    assert can_log_in(api, composed)
    assert can_log_in(api, decomposed)


def test_one_of_two_changes_at_once_counts(api: Api, app: Flask) -> None:
    alice = api.register("alice")

    def to(password: str) -> Reply:
        return change(api, alice, password=password, password_confirm=password)

    replies = at_once(lambda: to("first password"), lambda: to("other password"))
    assert min(reply.status_code for reply in replies) == 200
    assert max(reply.status_code for reply in replies) in (400, 401)
    right = [can_log_in(api, word) for word in ("first password", "other password")]
    assert right == [reply.status_code == 200 for reply in replies]
    live = [row for row in sessions(app).values() if row["revoked_at"] is None]
    assert len(live) == 2, "that of the change, and that of the login just now"


def test_a_login_with_the_old_password_ends_with_the_change(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = api.register("alice")
    verify = Passwords.verify

    def slowly(self: Passwords, stored: str | None, password: str) -> bool:
        is_right = verify(self, stored, password)
        monkeypatch.setattr(Passwords, "verify", verify)
        assert change(api, alice).status_code == 200  # In between.
        return is_right

    monkeypatch.setattr(Passwords, "verify", slowly)
    login = {"username": "alice", "password": PASSWORD}
    late = api.post("login/", login)
    assert (late.status_code, late.json["code"]) == (401, "invalid_credentials")
    live = [row for row in sessions(app).values() if row["revoked_at"] is None]
    assert len(live) == 1, "that of the change"


def test_an_account_that_is_over_can_not_be_changed(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = api.register("alice")

    def deactivate(*_: Any) -> bool:
        change_user(app, "alice", is_active=False)
        return True

    monkeypatch.setattr(Passwords, "verify", deactivate)
    before = password_hash(app, "alice")
    reply = change(api, alice)
    assert (reply.status_code, reply.json["code"]) == (401, "token_revoked")
    assert password_hash(app, "alice") == before


def test_wrong_old_passwords_are_limited(
    settings: TestConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"ratelimit_enabled": True, "ratelimit_password": Rate(3, 3600)}
    app = create_app(replace(settings, **limits))  # type: ignore[arg-type]
    api = Api(app)
    alice, bob = api.register("alice"), api.register("bob")

    tries = [change(api, alice, old_password="wrong") for _ in range(3)]
    assert [reply.status_code for reply in tries] == [400, 400, 400]
    reply = change(api, alice)
    assert (reply.status_code, reply.json["code"]) == (429, "rate_limited")
    assert can_log_in(api, PASSWORD)

    def busy(*_: Any) -> bool:
        raise HashingBusy

    for work in ("verify", "hash"):
        with monkeypatch.context() as patch:
            patch.setattr(Passwords, work, busy)
            tries = [change(api, bob) for _ in range(5)]
            assert {reply.status_code for reply in tries} == {503}
    assert change(api, bob).status_code == 200
    with app.app_context():
        db.engine.dispose()


def test_the_watchers_hear_of_it_and_no_password(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    alice = api.register("alice")
    change(api, alice, old_password="a wrong one")
    change(api, alice)

    events = [
        (record.getMessage(), record.__dict__["user_id"])
        for record in caplog.records
        if record.name == "careers_users.security"
    ]
    assert events[-2:] == [
        ("password_change_failed", alice.id),
        ("password_changed", alice.id),
    ]
    for word in (PASSWORD, NEW, "a wrong one"):
        assert word not in caplog.text
