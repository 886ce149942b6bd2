"""How often something may be tried, and what those hear who try more often."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from careers_users.auth.password_hashing import Passwords
from careers_users.extensions import db
from careers_users.models import Throttle
from careers_users.settings.rates import Rate
from tests.api import Api, Reply
from tests.auth.stored import NOON, SECOND, forge, rows, set_clock
from tests.jobs.run import run_jobs
from tests.profile.test_statements import statements

MINUTE = timedelta(minutes=1)
HOME, AWAY, ELSEWHERE = "192.0.2.1", "198.51.100.7", "203.0.113.9"
Make = Callable[..., Api]


def from_(address: str) -> dict[str, Any]:
    """Options of a call that comes from this address."""
    return {"environ_base": {"REMOTE_ADDR": address}}


def log_in(
    api: Api, username: str, password: str = "wrong", address: str = HOME
) -> Reply:
    """Try to log in."""
    body = {"username": username, "password": password}
    return api.post("login/", body, **from_(address))


def register(api: Api, username: str, address: str = HOME) -> Reply:
    """Register a user from this address."""
    passwords = {"password": "password123", "password_confirm": "password123"}
    body = {"username": username, "email": f"{username}@example.com", **passwords}
    return api.post("register/", body, **from_(address))


def statuses(*replies: Reply) -> list[int]:
    """Return the statuses of replies."""
    return [reply.status_code for reply in replies]


def test_wrong_logins_of_a_user_from_an_address_are_limited(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    api = throttled(login=Rate(3, 300))
    alice = api.register("alice")

    tries = [log_in(api, "alice") for _ in range(5)]
    assert statuses(*tries) == [401, 401, 401, 429, 429]
    assert tries[3].json["code"] == "rate_limited"
    assert tries[3].headers["Retry-After"] == "300"
    # The right password does not open the door either, until the time is over.
    set_clock(monkeypatch, NOON + 2 * MINUTE)
    late = log_in(api, "ALICE", alice.password)
    assert late.status_code == 429
    assert late.headers["Retry-After"] == "180"
    # Nor does her address tell that it is hers: it is counted like anybody's.
    assert log_in(api, alice.email).status_code == 401
    assert log_in(api, "nobody@example.com").status_code == 401
    # Others, and she herself elsewhere, are not concerned.
    assert log_in(api, "alice", alice.password, AWAY).status_code == 200
    assert log_in(api, "bob").status_code == 401
    set_clock(monkeypatch, NOON + 5 * MINUTE - SECOND)
    assert log_in(api, "alice", alice.password).headers["Retry-After"] == "1"
    set_clock(monkeypatch, NOON + 5 * MINUTE)
    assert log_in(api, "alice", alice.password).status_code == 200


def test_right_logins_are_given_back(throttled: Make) -> None:
    api = throttled(login=Rate(2, 300), login_address=Rate(2, 300))
    alice = api.register("alice")

    assert log_in(api, "alice").status_code == 401
    for _ in range(5):
        assert log_in(api, "alice", alice.password).status_code == 200
    assert log_in(api, "alice").status_code == 401
    assert log_in(api, "alice", alice.password).status_code == 429


def test_an_instance_whose_clock_is_behind_gives_back_too(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = throttled(login=Rate(2, 300), login_username=Rate(2, 300))
    set_clock(monkeypatch, NOON + 5 * SECOND)
    alice = api.register("alice")
    assert log_in(api, "alice", alice.password, AWAY).status_code == 200
    for ahead in (0, 5, 0, 5, 0):
        set_clock(monkeypatch, NOON + ahead * SECOND)
        # Counted in all three: elsewhere she has not signed in before.
        assert (
            log_in(api, "alice", alice.password, f"10.0.0.{ahead}").status_code == 200
        )
    assert {row["used"] for row in rows(api.app, select(Throttle.used))} == {0}
    with api.app.app_context(), db.engine.connect() as connection:
        times = "SELECT started_at, expires_at FROM throttle"
        stored = [
            str(moment) for row in connection.execute(text(times)) for moment in row
        ]
    assert len({len(moment) for moment in stored}) == 1, "all in one form"


def test_a_try_is_not_given_back_to_another_window(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    api = throttled(login=Rate(5, 300))
    alice = api.register("alice")

    def verify_slowly(*_: Any) -> bool:
        # Meanwhile the window ends, and a wrong try begins another.
        set_clock(monkeypatch, NOON + 10 * MINUTE)
        monkeypatch.setattr(Passwords, "verify", lambda *_: False)
        assert log_in(api, "alice").status_code == 401
        return True

    monkeypatch.setattr(Passwords, "verify", verify_slowly)
    assert log_in(api, "alice", alice.password).status_code == 200
    assert [row["used"] for row in rows(api.app, select(Throttle.used))] == [1, 0]


def test_unknown_names_are_counted_and_answered_alike(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    api = throttled(login=Rate(2, 300), login_username=Rate(3, 3600))
    api.register("alice")
    answers = {
        name: [log_in(api, name, "wrong", AWAY) for _ in range(3)]
        + [log_in(api, name, "wrong", ELSEWHERE) for _ in range(2)]
        for name in ("alice", "nobody", "alice@example.com", "x" * 4000, "nobody@x")
    }
    alike = {
        (reply.status_code, reply.data, reply.headers.get("Retry-After"))
        for name in ("alice", "nobody", "x" * 4000, "nobody@x")
        for reply in answers[name]
    }
    assert statuses(*answers["alice"]) == [401, 401, 429, 401, 429]
    assert statuses(*answers["nobody"]) == [401, 401, 429, 401, 429]
    assert len(alike) == 3
    # Her address is no second door to the same account: all tries count together, too.
    assert statuses(*answers["alice@example.com"]) == [429] * 5


def test_an_address_is_limited_whomever_it_tries(throttled: Make) -> None:
    api = throttled(login_address=Rate(3, 300))
    alice = api.register("alice")

    assert statuses(*[log_in(api, f"user{n}") for n in range(4)]) == [401] * 3 + [429]
    assert log_in(api, "alice", alice.password).status_code == 429
    assert log_in(api, "alice", alice.password, AWAY).status_code == 200


def test_registrations_from_an_address_are_limited(throttled: Make) -> None:
    api = throttled(register=Rate(3, 3600))

    names = ("alice", "alice", "bob", "carol")
    assert statuses(*[register(api, name) for name in names]) == [201, 409, 201, 429]
    assert register(api, "alice").status_code == 429, "nor who is there already"
    assert register(api, "carol", AWAY).status_code == 201


def test_bad_refresh_tokens_from_an_address_are_limited(throttled: Make) -> None:
    api = throttled(refresh=Rate(2, 300))
    alice = api.register("alice")
    bad = {"refresh": forge(api.app, alice.refresh, sid="0" * 32)}

    tries = [api.post("token/refresh/", bad, **from_(HOME)) for _ in range(3)]
    assert statuses(*tries) == [401, 401, 429]
    # A good one is not in question, and costs no statement more.
    with statements(api) as seen:
        good = api.post("token/refresh/", {"refresh": alice.refresh}, **from_(HOME))
    assert good.status_code == 200
    assert len(seen) == 1, seen
    assert api.post("token/refresh/", bad, **from_(AWAY)).status_code == 401


def test_follows_of_a_user_are_limited(throttled: Make) -> None:
    api = throttled(follow=Rate(2, 3600))
    alice, *others = [api.register(name) for name in ("alice", "bob", "carol", "dave")]

    def follow(name: str) -> int:
        body = {"username": name}
        return api.post("follow/", body, token=alice.access).status_code

    assert [follow(n) for n in ("bob", "bob", "nobody", "carol", "dave")] == (
        [201, 409, 404, 201, 429]
    )
    reply = api.get("following/", token=alice.access)
    assert reply.json["count"] == 2
    assert api.get("me/stats/", token=alice.access).json["following_count"] == 2
    token = others[0].access
    assert api.post("follow/", {"username": "dave"}, token=token).status_code == 201
    # A follow that exists may be repeated; a new one is refused.
    ensured = [api.put(f"{n}/follow/", token=alice.access) for n in ("bob", "dave")]
    assert statuses(*ensured) == [200, 429]


def test_a_login_costs_two_statements_more_and_a_read_none(
    throttled: Make, api: Api
) -> None:
    alice = api.register("alice")
    rate = Rate(9, 300)
    limited = throttled(
        **dict.fromkeys(("login", "login_address", "login_username"), rate)
    )

    def cost(client: Api, call: Callable[[Api], Reply]) -> list[str]:
        with statements(client) as seen:
            assert call(client).status_code < 300
        # Neither is a round trip of its own.
        begins = ("BEGIN", "SELECT set_config")
        return [each for each in seen if not each.startswith(begins)]

    def login(client: Api) -> Reply:
        return log_in(client, "alice", alice.password)

    assert login(api).status_code == 200  # The place is known from now on.
    plain, more = cost(api, login), cost(limited, login)
    assert len(more) == len(plain) + 2
    assert [more[1].split()[0], more[-1].split()[0]] == ["INSERT", "UPDATE"]
    assert more[0] == plain[0]
    for path in ("me/", "alice/", "?search=ali", "alice/followers/"):

        def read(client: Api, path: str = path) -> Reply:
            return client.get(path, token=alice.access)

        assert len(cost(limited, read)) == len(cost(api, read)), path


def test_the_table_holds_neither_names_nor_addresses(
    throttled: Make, app: Flask
) -> None:
    limits = dict.fromkeys(("login", "login_address", "login_username"), Rate(5, 300))
    api = throttled(**limits, register=Rate(5, 300))
    register(api, "alice")
    assert log_in(api, "alice").status_code == 401
    assert log_in(api, "nobody", "wrong", AWAY).status_code == 401

    stored = rows(app, select(*Throttle.__table__.c))
    assert len(stored) == 9
    assert all(len(row["key"]) == 64 and int(row["key"], 16) for row in stored)
    for word in ("alice", "nobody", HOME, AWAY):
        assert word not in str(stored)


def test_expired_counts_are_pruned(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left() -> int:
        return len(rows(api.app, select(Throttle.key)))

    set_clock(monkeypatch, NOON)
    api = throttled(login=Rate(5, 300))
    for number in range(3):
        log_in(api, f"user{number}")
    set_clock(monkeypatch, NOON + 4 * MINUTE)
    log_in(api, "late")
    assert left() == 8, "with how often each has failed"
    set_clock(monkeypatch, NOON + 6 * MINUTE)
    assert run_jobs(api.app, "expired-attempts") == 3
    assert left() == 5


def test_a_throttled_client_is_reported_to_the_watchers(
    throttled: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "careers_users.security")
    api = throttled(login=Rate(1, 300))
    alice = api.register("alice")
    log_in(api, "alice", "secret one")
    log_in(api, "alice", "secret two")

    record = caplog.records[-1]
    assert record.getMessage() == "throttled"
    assert record.__dict__["user_id"] == alice.id
    assert record.__dict__["details"]["rate"] == "login"
    assert "secret" not in caplog.text
