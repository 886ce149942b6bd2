"""POST logout/"""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import jwt_required

from tests.api import PASSWORD, Account, Api
from tests.auth.stored import NOON, SECOND, at_once, forge, revoked, sessions, set_clock
from tests.jobs.run import run_jobs


def sign_in(api: Api, account: Account) -> Account:
    """Open another session of the account, as if on another device."""
    body = {"username": account.username, "password": PASSWORD}
    reply = api.post("login/", body).json
    return Account(
        account.id,
        account.username,
        account.email,
        reply["access"],
        reply["refresh"],
    )


def log_out(api: Api, bearer: Account, named: Account) -> int:
    """Log out with one session's access and another's refresh token."""
    body = {"refresh": named.refresh}
    return api.post("logout/", body, token=bearer.access).status_code


def assert_lives(api: Api, session: Account) -> None:
    """Assert that the session's tokens are good."""
    assert api.get("me/", token=session.access).status_code == 200
    refresh = api.post("token/refresh/", {"refresh": session.refresh})
    assert refresh.status_code == 200


def assert_is_over(api: Api, session: Account) -> None:
    """Assert that the session's tokens are refused."""
    response = api.get("me/", token=session.access)
    assert response.status_code == 401
    assert response.json["code"] == "token_revoked"
    refresh = api.post("token/refresh/", {"refresh": session.refresh})
    assert refresh.status_code == 401


def test_replies_as_documented(api: Api) -> None:
    alice = api.register("alice")

    response = api.post("logout/", {"refresh": alice.refresh}, token=alice.access)

    assert response.status_code == 200
    assert response.json == {"message": "Successfully logged out"}
    assert_is_over(api, alice)


def test_is_immediate_for_every_access_token_of_the_session(api: Api) -> None:
    alice = api.register("alice")
    body = {"refresh": alice.refresh}
    others = [api.post("token/refresh/", body).json["access"] for _ in range(3)]
    tokens = [alice.access, *others]
    for token in tokens:  # Good ones, and remembered to be so.
        assert api.get("me/", token=token).status_code == 200

    assert api.post("logout/", body, token=others[1]).status_code == 200

    for token in tokens:
        for path in ("me/", "", "alice/"):  # Where one is needed, and where it is not.
            response = api.get(path, token=token)
            assert response.status_code == 401, path
            assert response.json["code"] == "token_revoked", path
    assert_is_over(api, alice)
    # Nor can one that is over log out.
    response = api.post("logout/", body, token=alice.access)
    assert response.status_code == 401
    assert response.json["code"] == "token_revoked"


def test_ends_only_the_sessions_named(api: Api) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    phone = sign_in(api, alice)

    api.post("logout/", {"refresh": alice.refresh}, token=alice.access)

    assert_is_over(api, alice)
    for session in (phone, bob, sign_in(api, alice)):
        assert_lives(api, session)


def test_own_session_already_revoked_is_200(api: Api) -> None:
    alice = api.register("alice")
    phone = sign_in(api, alice)
    api.post("logout/", {"refresh": alice.refresh}, token=alice.access)

    response = api.post("logout/", {"refresh": alice.refresh}, token=phone.access)

    assert response.status_code == 200
    assert_is_over(api, phone)


def test_own_session_expired_is_200(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")
    set_clock(monkeypatch, NOON + timedelta(days=7) - timedelta(minutes=30))
    # The last access token of a session is good for up to an hour longer.
    last = api.post("token/refresh/", {"refresh": alice.refresh}).json["access"]
    phone = sign_in(api, alice)
    set_clock(monkeypatch, NOON + timedelta(days=7) + SECOND)

    response = api.post("logout/", {"refresh": alice.refresh}, token=last)
    assert response.status_code == 200
    assert api.get("me/", token=last).json["code"] == "token_revoked"
    assert_lives(api, phone)
    # Also when the row has been deleted meanwhile.
    run_jobs(app)
    assert len(sessions(app)) == 1
    response = api.post("logout/", {"refresh": alice.refresh}, token=phone.access)
    assert response.status_code == 200
    assert_is_over(api, phone)


def test_own_refresh_token_of_another_device_ends_both_sessions(api: Api) -> None:
    alice = api.register("alice")
    phone, tablet = sign_in(api, alice), sign_in(api, alice)

    response = api.post("logout/", {"refresh": phone.refresh}, token=alice.access)

    assert response.status_code == 200
    assert_is_over(api, alice)
    assert_is_over(api, phone)
    assert_lives(api, tablet)


def test_another_users_refresh_token_is_403_and_nothing_revoked(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice, bob = api.register("alice"), api.register("bob")

    response = api.post("logout/", {"refresh": bob.refresh}, token=alice.access)

    assert response.status_code == 403
    assert response.json["code"] == "forbidden"
    assert revoked(app) == {}
    assert_lives(api, alice)
    assert_lives(api, bob)
    # No less so when it has expired.
    set_clock(monkeypatch, NOON + timedelta(days=8))
    phone = sign_in(api, alice)
    response = api.post("logout/", {"refresh": bob.refresh}, token=phone.access)
    assert response.status_code == 403
    assert_lives(api, phone)


def test_refresh_missing_or_garbage_is_400_and_nothing_revoked(
    api: Api, app: Flask
) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    header, payload, signature = alice.refresh.split(".")
    values: tuple[Any, ...] = (
        *(
            None,
            7,
            True,
            [],
            [alice.refresh],
            {},
            "",
            "x",
            "a.b.c",
            "a" * 4097,
            "a\x00",
        ),
        *(alice.access, bob.access, alice.refresh[:-4], f"{header}.{payload}."),
        *(f"{header}.{payload}.{signature[::-1]}", f"Bearer {alice.refresh}"),
        forge(app, alice.refresh, iss="somebody"),
        forge(app, alice.refresh, aud="somebody"),
        forge(app, alice.refresh, drop="exp"),
    )

    for body in ({}, *({"refresh": value} for value in values)):
        response = api.post("logout/", body, token=alice.access)
        assert response.status_code == 400, body
        assert response.json["code"] == "validation_failed", body
        assert set(response.json["details"]) == {"refresh"}, body
    assert revoked(app) == {}
    assert_lives(api, alice)


def test_needs_a_good_bearer_before_anything_else(api: Api, app: Flask) -> None:
    alice = api.register("alice")

    for body in ({"refresh": alice.refresh}, {"refresh": "x"}, {}):
        response = api.post("logout/", body)
        assert response.status_code == 401
        assert response.json["code"] == "not_authenticated"
        response = api.post("logout/", body, token=alice.refresh)
        assert response.status_code == 401
        assert response.json["code"] == "token_invalid"
    assert revoked(app) == {}
    assert_lives(api, alice)


def test_two_devices_that_log_each_other_out_at_once_both_end(api: Api) -> None:
    alice = api.register("alice")
    for _ in range(3):
        phone, tablet = sign_in(api, alice), sign_in(api, alice)

        statuses = at_once(
            partial(log_out, api, phone, tablet), partial(log_out, api, tablet, phone)
        )

        # The later one may find its own session over already.
        assert 200 in statuses
        assert set(statuses) <= {200, 401}
        assert_is_over(api, phone)
        assert_is_over(api, tablet)


def test_views_that_flask_jwt_extended_guards_know_of_it(app: Flask, api: Api) -> None:
    @app.get("/guarded/")
    @jwt_required()  # type: ignore[untyped-decorator]
    def guarded() -> dict[str, str]:
        return {}

    alice = api.register("alice")
    assert api.get("/guarded/", token=alice.access).status_code == 200
    api.post("logout/", {"refresh": alice.refresh}, token=alice.access)
    assert api.get("/guarded/", token=alice.access).json["code"] == "token_revoked"
