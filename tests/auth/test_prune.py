"""flask auth prune-tokens, and the pruning that some logouts do."""

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

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)


def prune(app: Flask) -> str:
    """Run the command; return what it says."""
    result = app.test_cli_runner().invoke(args=["auth", "prune-tokens"])
    assert result.exit_code == 0, result.output
    return result.output


def sid(account: Account) -> str:
    """Return the id of the account's session."""
    session_id: str = claims_of(account.access)["sid"]
    return session_id


def never_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no logout prune."""
    monkeypatch.setattr("secrets.randbelow", lambda _: 1)


def test_the_command_deletes_expired_rows_and_no_others(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_by_chance(monkeypatch)
    set_clock(monkeypatch, NOON)
    ended, expired = api.register("alice"), api.register("bob")
    api.post("logout/", {"refresh": ended.refresh}, token=ended.access)
    jti = claims_of(ended.access)["jti"]
    set_clock(monkeypatch, NOON + SECOND)
    living = api.register("carol")

    assert prune(app) == "Deleted 0 expired rows.\n"
    assert set(sessions(app)) == {sid(ended), sid(expired), sid(living)}
    assert set(revoked(app)) == {sid(ended), jti}
    # The revoked access token has expired; its session's refresh token has not.
    set_clock(monkeypatch, NOON + HOUR + SECOND)
    assert prune(app) == "Deleted 1 expired rows.\n"
    assert set(revoked(app)) == {sid(ended)}
    # Two sessions have expired; what they got at the end may still be alive.
    set_clock(monkeypatch, NOON + WEEK + SECOND)
    assert prune(app) == "Deleted 2 expired rows.\n"
    assert set(sessions(app)) == {sid(living)}
    assert set(revoked(app)) == {sid(ended)}
    set_clock(monkeypatch, NOON + WEEK + HOUR + SECOND)
    assert prune(app) == "Deleted 2 expired rows.\n"
    assert sessions(app) == revoked(app) == {}


def test_a_session_that_is_over_stays_over_after_pruning(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_by_chance(monkeypatch)
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


def test_the_command_deletes_however_many_there_are(app: Flask) -> None:
    past = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
    ids = [{"id": str(number)} for number in range(2500)]
    times = {"revoked_at": past, "expires_at": past}
    change(app, insert(RevokedToken).values([{**row, **times} for row in ids]))

    assert prune(app) == "Deleted 2500 expired rows.\n"
    assert revoked(app) == {}
    assert prune(app) == "Deleted 0 expired rows.\n"


def test_some_logouts_prune_and_the_others_do_not(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    accounts = [api.register(name) for name in ("alice", "bob")]
    expired = {sid(account) for account in accounts}
    set_clock(monkeypatch, NOON + WEEK + SECOND)
    carol, dave, erin = (api.register(name) for name in ("carol", "dave", "erin"))
    living = {sid(account) for account in (carol, dave, erin)}

    never_by_chance(monkeypatch)
    api.post("logout/", {"refresh": carol.refresh}, token=carol.access)
    assert set(sessions(app)) == expired | living
    monkeypatch.setattr("secrets.randbelow", lambda _: 0)
    api.post("logout/", {"refresh": dave.refresh}, token=dave.access)
    assert set(sessions(app)) == living
    # What has been revoked stays so; what lives lives on.
    assert {sid(carol), sid(dave)} <= set(revoked(app))
    assert api.get("me/", token=dave.access).json["code"] == "token_revoked"
    assert api.get("me/", token=erin.access).status_code == 200
