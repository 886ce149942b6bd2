"""The jobs that delete expired sessions, revocations and reservations."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import insert

from careers_users.models import RevokedToken
from tests.api import Account, Api
from tests.auth.stored import (
    NOON,
    SECOND,
    change,
    claims_of,
    revoked,
    sessions,
    set_clock,
)
from tests.jobs.run import run_jobs

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)


def prune(app: Flask) -> int:
    """Run the jobs that prune; return how many rows they have deleted."""
    return run_jobs(app, "expired-sessions", "expired-revocations")


def sid(account: Account) -> str:
    """Return the id of the account's session."""
    session_id: str = claims_of(account.access)["sid"]
    return session_id


def test_the_jobs_delete_expired_rows_and_no_others(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    ended, expired = api.register("alice"), api.register("bob")
    api.post("logout/", {"refresh": ended.refresh}, token=ended.access)
    jti = claims_of(ended.access)["jti"]
    set_clock(monkeypatch, NOON + SECOND)
    living = api.register("carol")

    assert prune(app) == 0
    assert set(sessions(app)) == {sid(ended), sid(expired), sid(living)}
    assert set(revoked(app)) == {sid(ended), jti}
    # The revoked access token has expired; its session's refresh token has not.
    set_clock(monkeypatch, NOON + HOUR + SECOND)
    assert prune(app) == 1
    assert set(revoked(app)) == {sid(ended)}
    # Two sessions have expired; what they got at the end may still be alive.
    set_clock(monkeypatch, NOON + WEEK + SECOND)
    assert prune(app) == 2
    assert set(sessions(app)) == {sid(living)}
    assert set(revoked(app)) == {sid(ended)}
    set_clock(monkeypatch, NOON + WEEK + HOUR + SECOND)
    assert prune(app) == 2
    assert sessions(app) == revoked(app) == {}


def test_a_session_that_is_over_stays_over_after_pruning(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")
    set_clock(monkeypatch, NOON + WEEK - SECOND)
    # Issued at its session's very end, revoked in its own first second.
    last = api.post("token/refresh/", {"refresh": alice.refresh}).json["access"]
    api.post("logout/", {"refresh": alice.refresh}, token=last)

    for moment in (NOON + WEEK + SECOND, NOON + WEEK + HOUR - 2 * SECOND):
        set_clock(monkeypatch, moment)
        prune(app)
        assert api.get("me/", token=last).json["code"] == "token_revoked"
        refresh = api.post("token/refresh/", {"refresh": alice.refresh})
        assert refresh.status_code == 401


def test_the_jobs_delete_however_many_there_are(app: Flask) -> None:
    past = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
    ids = [{"id": str(number)} for number in range(2500)]
    times = {"revoked_at": past, "expires_at": past}
    change(app, insert(RevokedToken).values([{**row, **times} for row in ids]))

    assert prune(app) == 2500
    assert revoked(app) == {}
    assert prune(app) == 0
