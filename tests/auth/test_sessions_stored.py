"""The rows of refresh_tokens and revoked_tokens, and secrets that no table holds."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import inspect, text

from careers_users.extensions import db
from tests.api import PASSWORD, Api
from tests.auth.stored import NOON, SECOND, claims_of, revoked, sessions, set_clock

LOGIN = {"username": "alice", "password": PASSWORD}


def dump(app: Flask) -> dict[str, str]:
    """Return all that is in each table, as text."""
    with app.app_context(), db.engine.connect() as connection:
        return {
            name: repr(connection.execute(text(f'SELECT * FROM "{name}"')).all())
            for name in inspect(connection).get_table_names()
        }


def test_each_registration_and_login_adds_one_row_whose_id_is_the_sid(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")
    tokens = [alice.access]
    for hours in (1, 2):
        set_clock(monkeypatch, NOON + timedelta(hours=hours))
        tokens.append(api.post("login/", LOGIN).json["access"])

    rows = sessions(app)
    assert list(map(len, (rows, set(tokens)))) == [3, 3]
    for hours, token in enumerate(tokens):
        began = NOON + timedelta(hours=hours)
        row = dict(rows[claims_of(token)["sid"]])
        assert len(row.pop("id")) == 32
        assert row == {
            "user_id": alice.id,
            "generation": 1,
            "created_at": began,
            "last_used_at": began,
            "expires_at": began + timedelta(days=7),
            "revoked_at": None,
            "revoked_reason": None,
            "user_agent": row["user_agent"],
            "address": "127.0.0.1",
            "confirmed_at": None,
            "step_up_until": None,
        }


def test_refusals_add_no_row(api: Api, app: Flask) -> None:
    alice = api.register("alice")
    rows = sessions(app)

    for path, body in (
        (
            "register/",
            {**LOGIN, "email": "b@example.com", "password_confirm": PASSWORD},
        ),
        ("register/", {}),
        ("login/", {**LOGIN, "password": "password124"}),
        ("login/", {}),
        ("token/refresh/", {"refresh": alice.access}),
        ("logout/", {"refresh": alice.access}),
    ):
        assert api.post(path, body).status_code >= 400, path
    assert sessions(app) == rows
    assert revoked(app) == {}


def test_user_agent_and_address_are_cut_to_length_and_cleaned(
    api: Api, app: Flask
) -> None:
    api.register("alice")
    for agent, address, kept_agent, kept_address in (
        ("Firefox/1", "192.0.2.7", "Firefox/1", "192.0.2.7"),
        ("a" * 1000, "f" * 100, "a" * 255, "f" * 45),
        ("\u00e4\x01\x7f\u00ff", "2001:db8::1", "????", "2001:db8::1"),
        ("", "", "", ""),
        ("x" * 254 + "\u00e4\u00e4", "::1", "x" * 254 + "?", "::1"),
    ):
        overrides = {"REMOTE_ADDR": address, "HTTP_USER_AGENT": agent}
        response = api.post("login/", LOGIN, environ_overrides=overrides)
        assert response.status_code == 200, agent
        row = sessions(app)[claims_of(response.json["access"])["sid"]]
        assert (row["user_agent"], row["address"]) == (kept_agent, kept_address)


def test_a_refresh_writes_when_the_session_was_last_used_to_the_minute(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    body = {"refresh": api.register("alice").refresh}
    minute = timedelta(minutes=1)

    for now, last_used in (
        (NOON + minute - SECOND, NOON),
        (NOON + minute, NOON + minute),
        (NOON + 2 * minute - SECOND, NOON + minute),
        (NOON + 60 * minute, NOON + 60 * minute),
    ):
        set_clock(monkeypatch, now)
        assert api.post("token/refresh/", body).status_code == 200
        (row,) = sessions(app).values()
        assert row["last_used_at"] == last_used, now
        assert row["created_at"] == NOON
        assert row["expires_at"] == NOON + timedelta(days=7)


def test_a_logout_marks_the_sessions_and_lists_the_revoked_ids(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")
    phone = api.post("login/", LOGIN).json
    tablet = api.post("login/", LOGIN).json
    now = NOON + timedelta(minutes=10)
    set_clock(monkeypatch, now)

    api.post("logout/", {"refresh": phone["refresh"]}, token=alice.access)

    ended = {claims_of(token)["sid"] for token in (alice.access, phone["access"])}
    rows = sessions(app)
    for session_id in ended:
        assert rows[session_id]["revoked_at"] == now
        assert rows[session_id]["revoked_reason"] == "logout"
    living = rows[claims_of(tablet["access"])["sid"]]
    assert (living["revoked_at"], living["revoked_reason"]) == (None, None)
    ids = revoked(app)
    jti = claims_of(alice.access)["jti"]
    assert set(ids) == ended | {jti}
    assert {row["revoked_at"] for row in ids.values()} == {now}
    # A token's id until the token would have expired; a session's until the last access
    # token it could have got would have.
    assert ids[jti]["expires_at"] == NOON + timedelta(hours=1)
    for session_id in ended:
        assert ids[session_id]["expires_at"] >= NOON + timedelta(days=7, hours=1)
    # A session that is revoked again keeps the first moment.
    set_clock(monkeypatch, now + timedelta(minutes=10))
    api.post("logout/", {"refresh": alice.refresh}, token=tablet["access"])
    session_id = claims_of(alice.access)["sid"]
    assert sessions(app)[session_id]["revoked_at"] == now
    assert revoked(app)[session_id]["revoked_at"] == now


def test_no_token_and_no_password_is_stored_in_any_table(api: Api, app: Flask) -> None:
    password = "correct horse battery staple"
    alice = api.register("alice", password=password)
    body = {"username": "alice", "password": password}
    login = api.post("login/", body).json
    refreshed = api.post("token/refresh/", {"refresh": alice.refresh}).json["access"]
    api.post("login/", {**body, "password": "a wrong guess"})
    api.post("logout/", {"refresh": alice.refresh}, token=refreshed)
    tokens = [alice.access, alice.refresh, login["access"], login["refresh"], refreshed]

    tables = dump(app)

    assert {"users", "refresh_tokens", "revoked_tokens"} <= set(tables)
    assert "alice@example.com" in tables["users"], "the dump shows what is stored"
    assert claims_of(refreshed)["jti"] in tables["revoked_tokens"]
    for secret in (password, "a wrong guess", app.config["JWT_SECRET_KEY"]):
        for name, content in tables.items():
            assert secret not in content, name
    for token in tokens:
        for part in token.split("."):
            for name, content in tables.items():
                assert part not in content, name
