"""POST token/refresh/ with rotation: lost replies, second tabs, thieves, clocks."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from tests.api import Account, Api
from tests.auth.rotation import assert_over, events, pair_of, rotate, try_rotate, use
from tests.auth.stored import NOON, SECOND, at_once, claims_of, sessions, set_clock
from tests.profile.test_statements import statements

HOUR = timedelta(hours=1)


@pytest.fixture
def alice(api: Api, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Return a user who signed in at noon."""
    set_clock(monkeypatch, NOON)
    return api.register("alice")


def test_gives_the_next_generation_and_the_same_end(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = claims_of(alice.refresh)["exp"]
    tokens = pair_of(alice)
    for generation in (2, 3, 4):
        set_clock(monkeypatch, NOON + generation * HOUR)
        tokens = rotate(api, tokens["refresh"])
        claims = claims_of(tokens["refresh"])
        assert (claims["gen"], claims["exp"]) == (generation, ends)
        assert claims["sid"] == claims_of(tokens["access"])["sid"]
        assert claims_of(tokens["access"])["gen"] == generation
        use(api, tokens["access"])
        (row,) = sessions(app).values()
        assert row["generation"] == generation
        assert row["last_used_at"] == row["confirmed_at"] == NOON + generation * HOUR
        assert row["expires_at"] == NOON + timedelta(days=7)
    # Access tokens live their hour, whatever has been rotated since.
    set_clock(monkeypatch, NOON + HOUR - SECOND)
    use(api, alice.access)

    set_clock(monkeypatch, NOON + timedelta(days=7))
    assert try_rotate(api, tokens["refresh"]).status_code == 401
    assert events(app) == ["registered"]


def test_without_rotate_the_documented_call_is_as_it_was(
    api: Api, app: Flask, alice: Account
) -> None:
    before = sessions(app)
    for extra in ({}, {"rotate": False}):
        response = api.post("token/refresh/", {"refresh": alice.refresh, **extra})
        assert set(response.json) == {"access"}
        assert "gen" not in claims_of(response.json["access"])
    assert sessions(app) == before
    values: tuple[Any, ...] = (None, 1, 0, "true", "", [], {})
    for value in values:
        body = {"refresh": alice.refresh, "rotate": value}
        response = api.post("token/refresh/", body)
        assert response.status_code == 400, value
        assert set(response.json["details"]) == {"rotate"}


def test_a_lost_reply_retried_two_hours_later_signs_no_user_out(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate(api, alice.refresh)  # The reply is lost.

    for hours in (2, 4):
        set_clock(monkeypatch, NOON + hours * HOUR)
        again = rotate(api, alice.refresh)
        assert claims_of(again["refresh"])["gen"] == 2
    plain = api.post("token/refresh/", {"refresh": alice.refresh})
    assert set(plain.json) == {"access"}
    use(api, plain.json["access"])
    (row,) = sessions(app).values()
    assert (row["generation"], row["confirmed_at"]) == (2, None)

    use(api, again["access"])
    third = rotate(api, again["refresh"])
    assert claims_of(third["refresh"])["gen"] == 3
    use(api, third["access"])
    assert "refresh_reused" not in events(app)


def test_tabs_that_refresh_at_once_get_one_successor(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    tabs = at_once(*[lambda: rotate(api, alice.refresh)] * 6)

    assert {claims_of(tab["refresh"])["gen"] for tab in tabs} == {2}
    for tab in tabs:
        use(api, tab["access"])
    # One that was slow, when others have used what they got.
    set_clock(monkeypatch, NOON + 10 * SECOND - timedelta(milliseconds=1))
    late = rotate(api, alice.refresh)
    assert claims_of(late["refresh"])["gen"] == 2
    set_clock(monkeypatch, NOON + 2 * HOUR)
    use(api, rotate(api, late["refresh"])["access"])
    (row,) = sessions(app).values()
    assert (row["generation"], row["revoked_at"]) == (3, None)


def test_a_thief_who_comes_second_ends_the_session(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = rotate(api, alice.refresh)
    use(api, own["access"])
    set_clock(monkeypatch, NOON + 10 * SECOND)

    assert try_rotate(api, alice.refresh).status_code == 401
    assert_over(api, app, pair_of(alice), own)


def test_a_thief_who_comes_first_is_found_when_the_owner_refreshes(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    stolen = rotate(api, alice.refresh)
    use(api, stolen["access"])
    set_clock(monkeypatch, NOON + HOUR / 2)
    further = rotate(api, stolen["refresh"])

    # The owner does not even ask for rotation.
    assert api.post("token/refresh/", {"refresh": alice.refresh}).status_code == 401
    assert_over(api, app, pair_of(alice), stolen, further)


def test_a_thief_always_one_step_behind_ends_the_session(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the owner has not used the newest tokens: two behind is never good."""
    older, newer = pair_of(alice), rotate(api, alice.refresh)
    for minutes in (10, 20):
        set_clock(monkeypatch, NOON + timedelta(minutes=minutes))
        older, newer = newer, rotate(api, newer["refresh"])
    # `older` has been replaced by `newer`, of which nothing is known to have arrived.
    in_step = rotate(api, older["refresh"])
    set_clock(monkeypatch, NOON + timedelta(minutes=30))
    newest = rotate(api, newer["refresh"])
    use(api, newest["access"])

    # The thief got the same generation as the owner, who has gone on since.
    set_clock(monkeypatch, NOON + timedelta(minutes=31))
    assert try_rotate(api, in_step["refresh"]).status_code == 401
    assert_over(api, app, older, newer, in_step, newest)


def test_two_generations_behind_is_a_reuse_at_once(
    api: Api, app: Flask, alice: Account
) -> None:
    second = rotate(api, alice.refresh)
    third = rotate(api, second["refresh"])

    assert try_rotate(api, alice.refresh).status_code == 401
    assert_over(api, app, second, third)


def test_using_the_new_refresh_token_confirms_it_too(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = rotate(api, alice.refresh)
    set_clock(monkeypatch, NOON + SECOND)
    plain = api.post("token/refresh/", {"refresh": second["refresh"]})
    assert plain.status_code == 200
    (row,) = sessions(app).values()
    assert row["confirmed_at"] == NOON + SECOND

    set_clock(monkeypatch, NOON + 11 * SECOND)
    assert try_rotate(api, alice.refresh).status_code == 401
    assert_over(api, app, second)


def test_clocks_that_differ_within_the_window_sign_no_user_out(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ahead in (9 * SECOND, -9 * SECOND, -2 * HOUR / 3):
        account = alice if ahead > timedelta() else api.register(f"bob{-ahead.seconds}")
        second = rotate(api, account.refresh)
        use(api, second["access"])
        # The next request meets an instance whose clock shows another time.
        set_clock(monkeypatch, NOON + ahead)
        third = rotate(api, account.refresh)
        assert claims_of(third["refresh"])["gen"] == 2
        use(api, third["access"])
        # A token issued in its future is as good as any.
        use(api, rotate(api, third["refresh"])["access"])
        set_clock(monkeypatch, NOON)
    assert "refresh_reused" not in events(app)


def test_a_reuse_is_told_to_the_owner_and_the_log(
    api: Api, alice: Account, caplog: pytest.LogCaptureFixture
) -> None:
    second = rotate(api, alice.refresh)
    rotate(api, second["refresh"])
    with caplog.at_level(logging.INFO, "careers_users.security"):
        for _ in range(3):
            thief = {"REMOTE_ADDR": "192.0.2.66", "HTTP_USER_AGENT": "Thief/1"}
            body = {"refresh": alice.refresh}
            api.post("token/refresh/", body, environ_overrides=thief)
    assert [record.msg for record in caplog.records] == ["refresh_reused"]

    body = {"username": "alice", "password": alice.password}
    access = api.post("login/", body).json["access"]
    reused = api.get("me/activity/", token=access).json["results"][1]
    assert reused["event"] == "refresh_reused"
    assert (reused["address"], reused["device"]) == ("192.0.2.66", "Thief/1")
    assert reused["details"] == {"session": claims_of(alice.refresh)["sid"]}


def test_a_logout_ends_all_generations(api: Api, alice: Account) -> None:
    second = rotate(api, alice.refresh)
    reply = api.post("logout/", {"refresh": alice.refresh}, token=second["access"])
    assert reply.status_code == 200
    for token in (alice.refresh, second["refresh"]):
        assert try_rotate(api, token).status_code == 401
    assert api.get("me/", token=second["access"]).json["code"] == "token_revoked"


def test_a_rotation_costs_two_statements_and_its_confirmation_one(
    api: Api, alice: Account
) -> None:
    def cost(path: str, token: str) -> int:
        with statements(api) as seen:
            assert api.get(path, token=token).status_code == 200
        return len([one for one in seen if not one.startswith("BEGIN")])

    with statements(api) as seen:
        second = rotate(api, alice.refresh)
    assert len([one for one in seen if not one.startswith("BEGIN")]) == 2
    with statements(api) as seen:
        rotate(api, alice.refresh)
    assert len(seen) == 1

    assert cost("me/", second["access"]) == 2  # viewer with profile, confirmation
    assert cost("me/", second["access"]) == 1
    # A plain refresh, and tokens of a login, are as they always were.
    with statements(api) as seen:
        plain = api.post("token/refresh/", {"refresh": second["refresh"]}).json
    assert len(seen) == 1
    for access in (plain["access"], alice.access):
        with statements(api) as seen:
            api.get("me/", token=access)
        assert len(seen) == 1
        assert "refresh_tokens" not in "".join(seen)


def test_a_database_that_can_not_write_still_answers_reads(
    api: Api, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = rotate(api, alice.refresh)

    def fail(*_: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("disk full"))

    with monkeypatch.context() as broken:
        broken.setattr("careers_users.auth.tokens.confirm", fail)
        use(api, second["access"])
    use(api, second["access"])
    set_clock(monkeypatch, NOON + 11 * SECOND)
    assert try_rotate(api, alice.refresh).status_code == 401
