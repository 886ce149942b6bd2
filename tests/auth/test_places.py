"""Where users sign in from is known for a time, whatever becomes of their sessions."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from careers_users.auth import places
from careers_users.auth.places import place
from careers_users.models import KnownPlace
from careers_users.settings.rates import Rate
from tests.api import PASSWORD, Api, Reply
from tests.auth.conftest import Make
from tests.auth.stored import NOON, SECOND, rows, set_clock
from tests.auth.test_throttle import (
    AWAY,
    HOME,
    MINUTE,
    from_,
    log_in,
    register,
    statuses,
)
from tests.cli.command import done
from tests.jobs.run import run_jobs

NEW = "another password"
DAY = timedelta(days=1)


def known(api: Api) -> list[dict[str, object]]:
    """Return the rows of known places."""
    return [{**row} for row in rows(api.app, select(*KnownPlace.__table__.c))]


def log_out_everywhere(api: Api, login: Reply) -> None:
    token = login.json["access"]
    assert api.post("logout/all/", {}, token=token).status_code == 200


def end_the_session(api: Api, login: Reply) -> None:
    token = login.json["access"]
    session = api.get("me/sessions/", token=token).json["results"][0]["id"]
    assert api.delete(f"me/sessions/{session}/", token=token).status_code == 200


def use_a_token_again(api: Api, login: Reply) -> None:
    first = {"refresh": login.json["refresh"], "rotate": True}
    second = api.post("token/refresh/", first).json
    third = api.post("token/refresh/", {**first, "refresh": second["refresh"]}).json
    assert api.get("me/", token=third["access"]).status_code == 200
    assert api.post("token/refresh/", first).status_code == 401


def change_the_password(api: Api, login: Reply) -> None:
    body = {"old_password": PASSWORD, "password": NEW, "password_confirm": NEW}
    reply = api.post("me/password/", body, token=login.json["access"])
    assert reply.status_code == 200


def be_revoked(api: Api, _login: Reply) -> None:
    done(api.app, "auth", "revoke", "alice")


def test_an_ipv6_network_is_one_address(throttled: Make) -> None:
    api = throttled(login_address=Rate(3, 300))
    hosts = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:2:a:b:c:d"]

    tries = [log_in(api, f"user{n}", address=host) for n, host in enumerate(hosts)]
    assert statuses(*tries) == [401] * 3
    assert log_in(api, "x", address="2001:db8:1:2::9").status_code == 429
    assert log_in(api, "x", address="2001:db8:1:3::1").status_code == 401
    assert place("::ffff:192.0.2.1") == place("192.0.2.1") == "192.0.2.1"
    assert place("") == ""


def test_strangers_can_not_lock_a_user_out_of_a_known_place(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    api = throttled(login=Rate(3, 300), login_username=Rate(5, 3600))
    reply = register(api, "alice", HOME)
    assert log_in(api, "alice", "password123", "2001:db8::1").status_code == 200

    attack = [log_in(api, "alice", "x", f"203.0.113.{n}") for n in range(8)]
    assert statuses(*attack) == [401] * 5 + [429] * 3
    assert log_in(api, "alice", "password123", AWAY).status_code == 429
    for address in (HOME, "2001:db8::2"):
        assert log_in(api, "alice", "password123", address).status_code == 200
        # ... where fewer tries are allowed, but not none.
        wrong = [log_in(api, "alice", "x", address) for _ in range(4)]
        assert statuses(*wrong) == [401] * 3 + [429]
    set_clock(monkeypatch, NOON + 10 * MINUTE)
    body = {"refresh": reply.json["refresh"]}
    assert api.post("logout/", body, token=reply.json["access"]).status_code == 200
    assert log_in(api, "alice", "password123", HOME).status_code == 200


@pytest.mark.parametrize(
    "end",
    [
        log_out_everywhere,
        end_the_session,
        use_a_token_again,
        change_the_password,
        be_revoked,
    ],
)
def test_a_place_stays_after_its_sessions(
    throttled: Make,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Api, Reply], None],
) -> None:
    """S5: however the sessions end, strangers do not lock the owner out at home."""
    set_clock(monkeypatch, NOON)
    api = throttled(login_username=Rate(3, 3600))
    end(api, register(api, "alice", HOME))
    attack = [log_in(api, "alice", "x", f"203.0.113.{n}") for n in range(5)]
    assert statuses(*attack) == [401] * 3 + [429] * 2
    password = NEW if end is change_the_password else PASSWORD
    assert log_in(api, "alice", password, HOME).status_code == 200
    assert log_in(api, "alice", password, "198.51.100.7").status_code == 429


def test_a_place_is_forgotten_180_days_after_the_last_login(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S5: time ends it, counted from the last login there."""
    set_clock(monkeypatch, NOON)
    api = throttled(login_username=Rate(1, 3600))
    register(api, "alice", HOME)
    again = NOON + 100 * DAY
    for moment, status in (
        (again, 200),
        (again + 180 * DAY - SECOND, 200),
        (again + 360 * DAY, 429),
    ):
        set_clock(monkeypatch, moment)
        log_in(api, "alice", "x", "203.0.113.1")
        reply = log_in(api, "alice", PASSWORD, HOME)
        assert reply.status_code == status, moment
    assert len(known(api)) == 1
    run_jobs(api.app, "expired-places")
    assert known(api) == []


def test_places_go_with_the_account_and_are_stored_as_hashes(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S5: deleting the account ends them, and no row tells an address."""
    set_clock(monkeypatch, NOON)
    api = throttled()
    alice, bob = (register(api, name, HOME).json for name in ("alice", "bob"))
    log_in(api, "alice", PASSWORD, "2001:db8::1")
    log_in(api, "alice", PASSWORD, "2001:db8::2")  # An address of that network.
    stored = known(api)
    assert len(stored) == 3
    assert all(len(str(row["key"])) == 64 for row in stored)
    assert HOME not in str(stored)
    body = {"password": PASSWORD}
    assert api.delete("me/", json=body, token=alice["access"]).status_code == 200
    assert [row["user_id"] for row in known(api)] == [bob["user"]["id"]]


def test_new_places_push_out_no_old_ones(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S5: knowing the password is not enough to make the owner's places unknown."""
    set_clock(monkeypatch, NOON)
    monkeypatch.setattr(places, "PLACES_MAX", 3)
    places._remember.cache_clear()
    api = throttled()
    register(api, "alice", HOME)
    before = known(api)
    for number in range(5):
        log_in(api, "alice", PASSWORD, f"203.0.113.{number}")
    assert len(known(api)) == 3
    assert before[0] in known(api)
    set_clock(monkeypatch, NOON + 2 * DAY)
    log_in(api, "alice", PASSWORD, HOME)
    assert max(str(row["expires_at"]) for row in known(api)) == str(NOON + 182 * DAY), (
        "a known one is renewed"
    )
    places._remember.cache_clear()


def test_a_login_at_a_known_place_writes_it_once_a_day(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    register(api, "alice", HOME)
    for hours, days in ((1, 180), (23, 180), (24, 181), (25, 181)):
        set_clock(monkeypatch, NOON + timedelta(hours=hours))
        assert log_in(api, "alice", PASSWORD, HOME).status_code == 200
        assert [row["expires_at"] for row in known(api)] == [NOON + days * DAY], hours


def test_the_limit_of_an_address_spares_the_users_who_are_known_there(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S10: wrong logins behind a carrier's NAT do not stop those at home there."""
    set_clock(monkeypatch, NOON)
    api = throttled(login=Rate(2, 300), login_address=Rate(3, 300))
    register(api, "alice", HOME)
    register(api, "bob", "198.51.100.7")
    tries = [log_in(api, f"user{n}", "x", HOME) for n in range(5)]
    assert statuses(*tries) == [401] * 3 + [429] * 2
    assert log_in(api, "bob", PASSWORD, HOME).status_code == 429
    assert log_in(api, "alice", PASSWORD, HOME).status_code == 200
    # Her own limit there holds, and her wrong ones count for the address.
    wrong = [log_in(api, "alice", "x", HOME) for _ in range(3)]
    assert statuses(*wrong) == [401, 401, 429]
    assert api.get("alice/", **from_(HOME)).status_code == 200
