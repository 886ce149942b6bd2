"""POST token/refresh/"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, update

from careers_users.models import RefreshToken, User
from tests.api import Account, Api
from tests.auth.stored import (
    NOON,
    SECOND,
    at_once,
    change,
    change_user,
    claims_of,
    forge,
    sessions,
    set_clock,
)


def test_replies_as_documented(api: Api, app: Flask) -> None:
    alice = api.register("alice")
    rows = sessions(app)

    response = api.post("token/refresh/", {"refresh": alice.refresh})

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    access = response.json["access"]
    assert access != alice.access
    assert api.get("me/", token=access).json["id"] == alice.id
    assert claims_of(access)["sid"] == claims_of(alice.refresh)["sid"]
    # A refresh adds nothing, and the earlier tokens stay as good as they were.
    assert sessions(app) == rows
    assert api.get("me/", token=alice.access).status_code == 200
    again = api.post("token/refresh/", {"refresh": alice.refresh})
    assert again.status_code == 200


def test_missing_not_a_string_or_over_4096_characters_is_400(api: Api) -> None:
    values: tuple[Any, ...] = (None, 7, 1.5, True, [], [1], {}, "", "a" * 4097, "a\x00")

    for body in ({}, *({"refresh": value} for value in values)):
        response = api.post("token/refresh/", body)
        assert response.status_code == 400, body
        assert response.json["code"] == "validation_failed", body
        assert set(response.json["details"]) == {"refresh"}, body
    response = api.post("token/refresh/", {"refresh": "x", "access": "y"})
    assert response.status_code == 400
    assert set(response.json["details"]) == {"access"}


def test_garbage_bad_signature_access_token_and_all_else_is_401_with_one_body(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = set()

    for case, token in _refused(api, app, monkeypatch):
        same_id = {"X-Request-ID": "same"}
        response = api.post("token/refresh/", {"refresh": token}, headers=same_id)
        assert response.status_code == 401, case
        assert response.json["code"] == "token_invalid", case
        refusals.add((response.data, str(response.headers)))

    assert len(refusals) == 1


def _refused(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str]]:
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")
    header, payload, signature = alice.refresh.split(".")
    for garbage in ("x", "..", "a.b.c", " ", "\u00e4.\u00f6.\u00fc", "a" * 4096):
        yield f"garbage {garbage[:9]}", garbage
    yield "with a space", f" {alice.refresh}"
    yield "cut short", alice.refresh[:-4]
    yield "bad signature", f"{header}.{payload}.{signature[::-1]}"
    yield "no signature", f"{header}.{payload}."
    yield "header nested deep", forge(app, alice.refresh, header=b"[" * 2600)
    yield "access token", alice.access
    yield "another type", forge(app, alice.refresh, type="reset")
    yield "another issuer", forge(app, alice.refresh, iss="somebody")
    yield "another audience", forge(app, alice.refresh, aud="somebody")
    yield "another generation", forge(app, alice.refresh, gen=2)
    yield "no generation", forge(app, alice.refresh, drop="gen")
    yield "unknown session", forge(app, alice.refresh, sid="0" * 32)
    yield "unknown user", forge(app, alice.refresh, sub="999")
    bob = api.register("bob")
    sid = claims_of(bob.refresh)["sid"]
    yield "another's session", forge(app, alice.refresh, sid=sid)
    yield from _refused_later(api, app, monkeypatch, alice)


def _refused_later(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch, alice: Account
) -> Iterator[tuple[str, str]]:
    set_clock(monkeypatch, NOON + timedelta(days=7))
    yield "expired", alice.refresh
    carol = api.register("carol")
    api.post("logout/", {"refresh": carol.refresh}, token=carol.access)
    yield "revoked", carol.refresh
    dave = api.register("dave")
    change_user(app, "dave", is_active=False)
    yield "inactive user", dave.refresh
    erin = api.register("erin")
    change_user(app, "erin", token_version=2)
    yield "earlier token version", erin.refresh
    frank = api.register("frank")
    change(app, delete(User).where(User.username == "frank"))
    yield "deleted user", frank.refresh
    grace = api.register("grace")
    sid = claims_of(grace.refresh)["sid"]
    change(app, delete(RefreshToken).where(RefreshToken.id == sid))
    yield "deleted session", grace.refresh
    # As an operator might end sessions, without a word to anything else.
    heidi = api.register("heidi")
    change(app, update(RefreshToken).values(revoked_at=NOON))
    yield "session marked revoked", heidi.refresh
    ivan = api.register("ivan")
    change(app, update(RefreshToken).values(expires_at=NOON))
    yield "session marked expired", ivan.refresh


def test_n_refreshes_of_one_token_at_once_are_n_times_200(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")
    # So late that each of them also writes when the session was last used.
    set_clock(monkeypatch, NOON + timedelta(hours=2))

    body = {"refresh": alice.refresh}
    replies = at_once(*[lambda: api.post("token/refresh/", body)] * 6)

    assert [reply.status_code for reply in replies] == [200] * 6
    tokens = {reply.json["access"] for reply in replies}
    assert len(tokens) == 6
    for token in tokens:
        assert api.get("me/", token=token).status_code == 200
    assert len(sessions(app)) == 1


def test_ignores_the_authorization_header(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice, bob = api.register("alice"), api.register("bob")
    set_clock(monkeypatch, NOON + timedelta(hours=2))

    for header in (
        *("", "Bearer", "Bearer x", "Basic eA==", ", , x", "Bearer " + "a" * 5000),
        *(f"Bearer {alice.access}", f"Bearer {bob.access}", f"Bearer {bob.refresh}"),
    ):
        response = api.post(
            "token/refresh/",
            {"refresh": alice.refresh},
            headers={"Authorization": header},
        )
        assert response.status_code == 200, header
        own = api.get("me/", token=response.json["access"])
        assert own.json["username"] == "alice", header


def test_a_session_lasts_7_days_from_login_however_often_refreshed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    body = {"refresh": api.register("alice").refresh}
    for passed in (timedelta(days=3), timedelta(days=6), timedelta(days=7) - SECOND):
        set_clock(monkeypatch, NOON + passed)
        last = api.post("token/refresh/", body)
        assert last.status_code == 200
        expires = claims_of(last.json["access"])["exp"]
        assert expires == (NOON + passed + timedelta(hours=1)).timestamp()

    set_clock(monkeypatch, NOON + timedelta(days=7))
    assert api.post("token/refresh/", body).status_code == 401
    # An access token that it got at its very end is still good for its hour.
    assert api.get("me/", token=last.json["access"]).status_code == 200
