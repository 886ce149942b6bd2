"""POST login/"""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.api import PASSWORD, Api
from tests.auth.stored import NOON, change_user, claims_of, sessions, set_clock


def test_replies_as_documented(api: Api) -> None:
    alice = api.register("alice", first_name="Alice", last_name="Smith")

    response = api.post("login/", {"username": "alice", "password": PASSWORD})

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json["user"] == {
        "id": alice.id,
        "username": "alice",
        "email": "alice@example.com",
        "first_name": "Alice",
        "last_name": "Smith",
    }
    assert api.get("me/", token=response.json["access"]).json["id"] == alice.id
    refresh = {"refresh": response.json["refresh"]}
    assert api.post("token/refresh/", refresh).status_code == 200


def test_takes_username_or_email_in_any_case(api: Api) -> None:
    api.register("alice", email="bob@example.com")
    bob = api.register("bob", email="Robert@Example.com")

    for identifier in ("bob", "BOB", "robert@example.com", "ROBERT@EXAMPLE.COM"):
        response = api.post("login/", {"username": identifier, "password": PASSWORD})
        assert response.status_code == 200, identifier
        assert response.json["user"]["id"] == bob.id, identifier


def test_refuses_all_wrong_credentials_with_one_body(api: Api, app: Flask) -> None:
    api.register("alice", password=" Password 123 ")
    bodies = set()

    for username, password in (
        *(("nobody", PASSWORD), ("nobody@example.com", PASSWORD)),
        # A password is never trimmed, cut or taken in another case.
        *(("alice", "Password 123"), ("alice", " password 123 ")),
        *(("alice", " Password 123"), ("alice", " Password 123 ."), ("alice", "x")),
        *(("alic_", PASSWORD), ("%", PASSWORD), ("' OR 1=1 --", PASSWORD), ("@", "x")),
        *(
            ("u" * 4096, PASSWORD),
            ("alice", "p" * 4096),
            ("\ufb01\u0130\U0001f600", "x"),
        ),
        ("alice\nbob", PASSWORD),
    ):
        response = api.post("login/", {"username": username, "password": password})
        assert response.status_code == 401, (username, password)
        assert response.json["code"] == "invalid_credentials"
        bodies.add(response.data)

    assert len(bodies) == 1
    assert len(sessions(app)) == 1, "only that of the registration"


def test_refuses_bodies_that_can_not_be_right(api: Api) -> None:
    body = {"username": "alice", "password": PASSWORD}
    values: tuple[Any, ...] = ("", "x" * 4097, "a\x00b", None, 7, True, [], {})

    for field in body:
        missing = {key: body[key] for key in body if key != field}
        for wrong in (missing, *({**body, field: value} for value in values)):
            response = api.post("login/", wrong)
            assert response.status_code == 400, wrong
            assert response.json["code"] == "validation_failed"
            assert set(response.json["details"]) == {field}
    response = api.post("login/", {**body, "email": "alice@example.com"})
    assert response.status_code == 400
    assert set(response.json["details"]) == {"email"}


def test_tokens_live_an_hour_and_a_week_and_name_the_session(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = api.register("alice")
    change_user(app, "alice", token_version=3)
    set_clock(monkeypatch, NOON)

    tokens = api.post("login/", {"username": "alice", "password": PASSWORD}).json

    now = NOON.timestamp()
    access, refresh = claims_of(tokens["access"]), claims_of(tokens["refresh"])
    assert access["iat"] == refresh["iat"] == now
    assert access["exp"] == now + timedelta(minutes=60).total_seconds()
    assert refresh["exp"] == now + timedelta(days=7).total_seconds()
    assert access["sub"] == refresh["sub"] == str(alice.id)
    assert access["sid"] == refresh["sid"] != claims_of(alice.access)["sid"]
    assert access["ver"] == refresh["ver"] == 3
    assert access["jti"] != refresh["jti"]
    # A token can be read by all who see it: nothing else is in there.
    common = {"sub", "sid", "ver", "jti", "type", "iat", "exp", "iss", "aud", "fresh"}
    assert set(access) == common
    assert set(refresh) == common | {"gen"}
