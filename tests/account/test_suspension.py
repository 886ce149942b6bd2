"""A suspended account: shut at once, for every token, until a moment or for good."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from careers_users import create_app
from careers_users.extensions import db
from careers_users.models import SecurityEvent, User
from careers_users.settings.rates import Rate
from config import TestConfig
from tests.account.suspending import log_in, restore, suspend
from tests.api import Account, Api, Reply
from tests.auth.stored import NOON, SECOND, change_user, rows, sessions, set_clock
from tests.jobs.run import run_jobs
from tests.statements import listened_to

HOUR = timedelta(hours=1)


def code(reply: Reply) -> str:
    """Return the code of a refusal."""
    found: str = reply.json["code"]
    return found


def assert_signed_out(api: Api, user: Account) -> None:
    """Assert that both tokens are refused, at a call that has just been made too."""
    assert code(api.get("me/", token=user.access)) == "token_revoked"
    assert code(api.get("alice/", token=user.access)) == "token_revoked"
    assert api.post("token/refresh/", {"refresh": user.refresh}).status_code == 401


@pytest.fixture
def alice(api: Api, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Return a user whose verified token the process remembers."""
    set_clock(monkeypatch, NOON)
    user = api.register("alice")
    assert api.get("me/", token=user.access).status_code == 200
    return user


def test_every_token_is_refused_at_once_and_for_ever(
    api: Api, app: Flask, alice: Account
) -> None:
    bob = api.register("bob")
    second = log_in(api, alice).json
    assert suspend(app, alice) == 2
    assert_signed_out(api, alice)
    assert code(api.get("me/", token=second["access"])) == "token_revoked"
    assert api.get("me/", token=bob.access).status_code == 200
    reasons = {row["revoked_reason"] for row in sessions(app).values()}
    assert reasons == {None, "suspended"}

    assert restore(app, alice)
    assert_signed_out(api, alice)
    assert log_in(api, alice).status_code == 200
    assert not restore(app, alice)


def test_the_right_password_is_told_why_and_any_other_nothing(
    api: Api, app: Flask, alice: Account
) -> None:
    suspend(app, alice, "abuse")
    refused = log_in(api, alice)
    assert refused.status_code == 403
    assert refused.json == {
        "error": "This account is suspended",
        "code": "account_suspended",
        "details": {"reason": "abuse", "until": None},
    }
    suspend(app, alice, "legal", until=NOON + HOUR)
    by_address = {"username": alice.email, "password": alice.password}
    told = api.post("login/", by_address).json["details"]
    assert told == {"reason": "legal", "until": "2031-05-17T13:00:00Z"}

    wrong = log_in(api, alice, "another password")
    nobody = api.post("login/", {"username": "nobody", "password": "another password"})
    assert (wrong.status_code, wrong.json) == (401, nobody.json)
    change_user(app, "alice", is_active=False)
    assert log_in(api, alice).json == wrong.json


def test_a_wrong_password_costs_the_same_statements(
    api: Api, app: Flask, alice: Account
) -> None:
    bob = api.register("bob")
    suspend(app, alice)
    seen = []
    for user in (alice, bob):
        with listened_to(app) as statements:
            assert log_in(api, user, "another password").status_code == 401
        seen.append(statements)
    assert seen[0] == seen[1]
    assert len(seen[0]) > 1


def test_a_right_password_is_no_failure_of_the_account_or_the_address(
    settings: TestConfig, alice: Account
) -> None:
    app = create_app(
        replace(settings, ratelimit_enabled=True, ratelimit_login=Rate(2, 60))
    )
    suspend(app, alice)
    for _ in range(5):
        assert code(log_in(Api(app), alice)) == "account_suspended"
    # One a minute is recorded.
    assert [event for event, _ in trail(app)].count("login_refused") == 1
    with app.app_context():
        db.engine.dispose()


def test_it_is_over_by_the_clock_for_a_login_and_then_for_everybody(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspend(app, alice, until=NOON + HOUR)
    set_clock(monkeypatch, NOON + HOUR - SECOND)
    assert code(log_in(api, alice)) == "account_suspended"
    assert run_jobs(app, "suspensions") == 0
    set_clock(monkeypatch, NOON + HOUR)
    again = log_in(api, alice)
    assert again.status_code == 200
    assert api.get("me/stats/", token=again.json["access"]).status_code == 200
    assert api.get("").json["batch_info"]["total_users"] == 1
    state = rows(app, select(User.suspended_at, User.suspension_reason))[0]
    assert {*state.values()} == {None}
    assert trail(app)[-2:] == [
        ("account_restored", '{"by":"clock"}'),
        ("login_succeeded", "{}"),
    ]


def test_the_job_ends_a_suspension_within_a_minute(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = api.register("bob")
    suspend(app, alice, until=NOON + HOUR)
    suspend(app, bob)
    assert api.get("").json["batch_info"]["total_users"] == 0
    set_clock(monkeypatch, NOON + HOUR)
    assert run_jobs(app, "suspensions") == 1
    assert api.get("").json["batch_info"]["total_users"] == 1
    assert trail(app)[-1] == ("account_restored", '{"by":"clock"}')
    assert log_in(api, alice).status_code == 200
    assert code(log_in(api, bob)) == "account_suspended"


def trail(app: Flask) -> list[tuple[str, str]]:
    """Return all events with their details, in order."""
    events = select(SecurityEvent.event, SecurityEvent.details)
    found = rows(app, events.order_by(SecurityEvent.id))
    return [(row["event"], row["details"]) for row in found]


def test_it_is_in_the_trail_once_for_each_change_and_in_the_security_log(
    app: Flask,
    alice: Account,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "careers_users.security")
    suspend(app, alice, note="Sent 400 links")
    suspend(app, alice, note="Sent 400 links")
    suspend(app, alice, "abuse", until=NOON + HOUR)
    restore(app, alice)
    restore(app, alice)
    assert trail(app)[1:] == [
        (
            "account_suspended",
            '{"by":"operator","reason":"spam","until":null,"sessions":1}',
        ),
        (
            "account_suspended",
            '{"by":"operator","reason":"abuse","until":"2031-05-17T13:00:00Z",'
            '"sessions":0}',
        ),
        ("account_restored", '{"by":"operator"}'),
    ]
    logged = [r for r in caplog.records if r.name == "careers_users.security"]
    assert [record.getMessage() for record in logged] == [
        "account_suspended",
        "account_suspended",
        "account_restored",
    ]
    assert {vars(record)["user_id"] for record in logged} == {alice.id}
    assert "400" not in caplog.text
