"""GET me/sessions/, DELETE me/sessions/{id}/, POST logout/all/, and their number."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert

from careers_users.models import RefreshToken
from careers_users.validation.limits import SESSIONS_MAX
from tests.api import PASSWORD, Account, Api
from tests.auth.stored import (
    NOON,
    SECOND,
    at_once,
    change,
    change_user,
    claims_of,
    revoked,
    sessions,
    set_clock,
)
from tests.jobs.run import run_jobs
from tests.profile.test_statements import statements

LOGIN = {"username": "alice", "password": PASSWORD}
PHONE = {"HTTP_USER_AGENT": "Phone/1", "REMOTE_ADDR": "192.0.2.7"}


@pytest.fixture
def alice(api: Api, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Return a user who signed in at noon."""
    set_clock(monkeypatch, NOON)
    return api.register("alice")


def add_sessions(app: Flask, user_id: int, number: int) -> None:
    """Add sessions that began in the seconds before noon, the first the oldest."""
    times = [NOON - (number - n) * SECOND for n in range(number)]
    new = [
        {
            "id": f"{n:032x}",
            "user_id": user_id,
            "created_at": began,
            "last_used_at": began,
            "expires_at": began + timedelta(days=7),
        }
        for n, began in enumerate(times)
    ]
    change(app, insert(RefreshToken).values(new))


def live(app: Flask) -> list[str]:
    """Return the ids of the sessions that are not marked as over."""
    rows = sessions(app)
    return sorted(id_ for id_, row in rows.items() if row["revoked_at"] is None)


def test_lists_the_live_ones_the_last_used_first(
    api: Api, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.register("bob")
    set_clock(monkeypatch, NOON + timedelta(hours=1))
    phone = api.post("login/", LOGIN, environ_overrides=PHONE).json
    gone = api.post("login/", LOGIN).json
    api.post("logout/", {"refresh": gone["refresh"]}, token=gone["access"])
    set_clock(monkeypatch, NOON + timedelta(hours=2))
    access = api.post("token/refresh/", {"refresh": alice.refresh}).json["access"]

    reply = api.get("me/sessions/", token=access).json

    assert reply["count"] == 2
    first, second = reply["results"]
    assert first == {
        "id": claims_of(access)["sid"],
        "device": first["device"],
        "address": "127.0.0.1",
        "created_at": "2031-05-17T12:00:00Z",
        "last_used_at": "2031-05-17T14:00:00Z",
        "expires_at": "2031-05-24T12:00:00Z",
        "current": True,
    }
    assert second["id"] == claims_of(phone["access"])["sid"]
    assert (second["device"], second["address"]) == ("Phone/1", "192.0.2.7")
    assert second["last_used_at"] == second["created_at"] == "2031-05-17T13:00:00Z"
    assert second["current"] is False
    set_clock(monkeypatch, NOON + timedelta(days=7))
    late = api.post("login/", LOGIN).json["access"]
    expired = {row["id"] for row in api.get("me/sessions/", token=late).json["results"]}
    assert expired == {second["id"], claims_of(late)["sid"]}
    with statements(api) as seen:
        api.get("me/sessions/", token=late)
    assert len(seen) == 2


def test_ends_one_of_ones_own_at_once(api: Api, app: Flask, alice: Account) -> None:
    phone = api.post("login/", LOGIN).json
    path = f"me/sessions/{claims_of(phone['access'])['sid']}/"

    reply = api.delete(path, token=alice.access)

    assert (reply.status_code, reply.json) == (200, {"message": "Session ended"})
    assert api.get("me/", token=phone["access"]).json["code"] == "token_revoked"
    body = {"refresh": phone["refresh"]}
    assert api.post("token/refresh/", body).status_code == 401
    assert api.get("me/sessions/", token=alice.access).json["count"] == 1
    again = api.delete(path, token=alice.access)
    assert (again.status_code, again.json["code"]) == (404, "session_not_found")
    # The one that asks may be the one that ends.
    own = claims_of(alice.access)["sid"]
    assert api.delete(f"me/sessions/{own}", token=alice.access).status_code == 200
    assert api.get("me/", token=alice.access).json["code"] == "token_revoked"
    assert live(app) == []


def test_others_sessions_and_what_is_none_are_404(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = api.register("bob")
    theirs = claims_of(bob.access)["sid"]
    for id_ in (theirs, "0" * 32, "x", "0" * 31, "0" * 33, "%00", "%F0%9F%98%80", "me"):
        reply = api.delete(f"me/sessions/{id_}/", token=alice.access)
        assert (reply.status_code, reply.json["code"]) == (404, "session_not_found"), (
            id_
        )
    assert api.get("me/", token=bob.access).status_code == 200
    assert revoked(app) == {}
    assert api.delete(f"me/sessions/{theirs}/").json["code"] == "not_authenticated"
    assert api.get("me/sessions/").json["code"] == "not_authenticated"
    set_clock(monkeypatch, NOON + timedelta(days=7))
    access = api.post("login/", LOGIN).json["access"]
    expired = claims_of(alice.access)["sid"]
    assert api.delete(f"me/sessions/{expired}/", token=access).status_code == 404


def test_one_of_all_who_end_a_session_has_done_it(api: Api, alice: Account) -> None:
    phone = api.post("login/", LOGIN).json["access"]
    path = f"me/sessions/{claims_of(phone)['sid']}/"
    replies = at_once(*[lambda: api.delete(path, token=alice.access)] * 4)
    assert sorted(reply.status_code for reply in replies) == [200, 404, 404, 404]


def test_logs_out_everywhere(api: Api, app: Flask, alice: Account) -> None:
    bob = api.register("bob")
    pairs = [api.post("login/", LOGIN).json for _ in range(3)]

    reply = api.post("logout/all/", {}, token=pairs[0]["access"])

    message = "Successfully logged out everywhere"
    assert (reply.status_code, reply.json) == (200, {"message": message, "count": 4})
    for pair in pairs:
        assert api.get("me/", token=pair["access"]).json["code"] == "token_revoked"
        body = {"refresh": pair["refresh"]}
        assert api.post("token/refresh/", body).status_code == 401
    assert api.get("me/", token=alice.access).json["code"] == "token_revoked"
    assert live(app) == [claims_of(bob.access)["sid"]]
    reasons = {row["revoked_reason"] for row in sessions(app).values()}
    assert reasons == {"logout_all", None}
    again = api.post("logout/all/", {}, token=pairs[0]["access"])
    assert again.json["code"] == "token_revoked"
    assert api.post("login/", LOGIN).status_code == 200


def test_logs_out_everywhere_else(api: Api, app: Flask, alice: Account) -> None:
    for _ in range(2):
        api.post("login/", LOGIN)
    body = {"keep_current": True}
    assert api.post("logout/all/", body, token=alice.access).json["count"] == 2
    assert live(app) == [claims_of(alice.access)["sid"]]
    assert api.get("me/", token=alice.access).status_code == 200
    assert api.post("logout/all/", body, token=alice.access).json["count"] == 0


def test_a_session_that_has_just_expired_is_logged_out_too(
    api: Api, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, tokens = {"refresh": alice.refresh}, []
    for minutes in (50, 0):
        set_clock(monkeypatch, NOON + timedelta(days=7, minutes=-minutes) - SECOND)
        tokens.append(api.post("token/refresh/", body).json["access"])
    set_clock(monkeypatch, NOON + timedelta(days=7) + SECOND)
    assert api.post("logout/all/", {}, token=tokens[0]).json["count"] == 0
    # Pruned or not, until the last of them has expired.
    for minutes in (0, 55):
        set_clock(monkeypatch, NOON + timedelta(days=7, minutes=minutes))
        run_jobs(api.app)
        assert api.get("me/", token=tokens[1]).json["code"] == "token_revoked"


def test_a_login_too_many_ends_the_oldest_session(
    api: Api, app: Flask, alice: Account
) -> None:
    api.post("logout/all/", {}, token=alice.access)
    add_sessions(app, alice.id, SESSIONS_MAX - 1)
    own = api.post("login/", LOGIN).json["access"]
    assert len(live(app)) == SESSIONS_MAX
    assert f"{0:032x}" in live(app)

    new = api.post("login/", LOGIN).json["access"]

    assert len(live(app)) == SESSIONS_MAX
    assert f"{0:032x}" not in live(app)
    assert sessions(app)[f"{0:032x}"]["revoked_reason"] == "limit"
    for access in (own, new):
        assert api.get("me/", token=access).status_code == 200
    ended = api.get("me/activity/", token=new).json["results"][1]
    assert (ended["event"], ended["details"]) == (
        "session_ended",
        {"reason": "limit", "count": 1},
    )


def test_logins_at_once_do_not_exceed_the_limit(
    api: Api, app: Flask, alice: Account
) -> None:
    add_sessions(app, alice.id, SESSIONS_MAX - 4)
    replies = at_once(*[lambda: api.post("login/", LOGIN)] * 8)
    assert [reply.status_code for reply in replies] == [200] * 8
    assert len(live(app)) == SESSIONS_MAX
    assert {claims_of(reply.json["access"])["sid"] for reply in replies} <= {*live(app)}


def test_logins_and_refreshes_cost_what_they_did(
    api: Api, app: Flask, alice: Account
) -> None:
    def cost(path: str, body: dict[str, str], status: int = 200) -> int:
        with statements(api) as seen:
            assert api.post(path, body).status_code == status
        return len([one for one in seen if not one.startswith("BEGIN")])

    with app.app_context():
        is_sqlite = app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite")
    # SQLite knows no statement that inserts into two tables.
    more = 1 if is_sqlite else 0
    change_user(app, "alice", token_version=1)
    assert cost("login/", LOGIN) == 2 + more
    assert cost("token/refresh/", {"refresh": alice.refresh}) == 1
    # Two more for a failed one: how often that was, and once a minute the event.
    for wrong in ({**LOGIN, "password": "password124"}, {**LOGIN, "username": "bob"}):
        assert [cost("login/", wrong, 401) for _ in range(3)] == [3, 2, 2]
    bob = {"username": "bob", "email": "bob@example.com", "password": PASSWORD}
    assert cost("register/", {**bob, "password_confirm": PASSWORD}, 201) == 4 + more
