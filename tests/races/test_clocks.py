"""Instances whose clocks differ by some seconds, on one database: it does not show."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask

from careers_users import create_app
from careers_users.extensions import db
from careers_users.settings.rates import Rate
from config import TestConfig
from tests.api import Account, Api
from tests.auth.stored import NOON, SECOND, sessions, set_clock
from tests.jobs.run import run_jobs

AHEAD = timedelta(seconds=5)
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
Turn = Callable[[timedelta], None]


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Return a function that sets the clock to a time after noon, for one instance."""
    set_clock(monkeypatch, NOON)
    return lambda after: set_clock(monkeypatch, NOON + after)


@pytest.fixture
def alice(turn: Turn, api: Api) -> Account:
    """Return a user whom the instance that is ahead has registered."""
    turn(AHEAD)
    return api.register("alice")


def test_a_change_is_never_older_than_what_it_changed(
    api: Api, alice: Account, turn: Turn
) -> None:
    turn(SECOND)
    changed = api.patch("me/update/", {"bio": "new"}, token=alice.access).json
    assert changed["updated_at"] == "2031-05-17T12:00:05Z"
    turn(AHEAD + SECOND)
    changed = api.patch("me/update/", {"bio": "newer"}, token=alice.access).json
    assert changed["updated_at"] == "2031-05-17T12:00:06Z"


def test_the_last_use_of_a_session_does_not_move_back(
    app: Flask, api: Api, alice: Account, turn: Turn
) -> None:
    turn(timedelta())
    body = {"refresh": alice.refresh, "rotate": True}
    rotated = api.post("token/refresh/", body).json["refresh"]
    (session,) = sessions(app).values()
    assert session["last_used_at"] == NOON + AHEAD
    turn(AHEAD + SECOND)
    assert api.post("token/refresh/", {"refresh": rotated, "rotate": True}).json
    (session,) = sessions(app).values()
    assert session["last_used_at"] == NOON + AHEAD + SECOND


def test_a_right_password_is_given_back_to_a_window_of_the_future(
    settings: TestConfig, turn: Turn
) -> None:
    once = Rate(1, 60)
    limited = create_app(
        replace(settings, ratelimit_enabled=True, ratelimit_login=once)
    )
    api, body = Api(limited), {"username": "alice", "password": "password123"}
    turn(AHEAD)
    alice = api.register("alice")
    assert api.post("login/", body).status_code == 200  # Begins the window.
    for after in (timedelta(), SECOND, AHEAD):
        turn(after)
        assert api.post("login/", body).status_code == 200, after
    wrong = {"username": alice.username, "password": "wrong"}
    assert api.post("login/", wrong).status_code == 401
    turn(timedelta())
    refused = api.post("login/", body)
    assert refused.status_code == 429
    assert 60 <= int(refused.headers["Retry-After"]) <= 65
    with limited.app_context():
        db.engine.dispose()


def test_a_session_ended_everywhere_stays_so_when_an_early_clock_prunes(
    app: Flask, api: Api, alice: Account, turn: Turn
) -> None:
    # At the very end of the session, by the instance that is ahead.
    turn(WEEK + AHEAD - SECOND)
    last = api.post("token/refresh/", {"refresh": alice.refresh}).json["access"]
    turn(WEEK + AHEAD)  # Over for the one that is behind, too.
    assert api.post("logout/all/", {}, token=last).status_code == 200
    turn(WEEK + AHEAD + HOUR + SECOND)
    run_jobs(app)
    turn(WEEK + HOUR - 4 * SECOND)  # The time of the one behind.
    assert api.get("me/", token=last).json["code"] == "token_revoked"
