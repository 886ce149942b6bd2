"""Limits belong to what they protect: an address's existence, a password, the CPU."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from careers_users.models import SecurityEvent
from careers_users.settings.rates import Rate
from tests.api import PASSWORD, Api, Reply
from tests.auth.conftest import Make
from tests.auth.stored import NOON, at_once, rows, set_clock
from tests.auth.test_throttle import (
    AWAY,
    HOME,
    MINUTE,
    from_,
    log_in,
    register,
    statuses,
)

HOUR = timedelta(hours=1)
WRONG = {"password": "a wrong guess"}


def move(api: Api, token: str, email: str, address: str = HOME) -> Reply:
    """Change the e-mail address."""
    body = {"email": f"{email}@example.com"}
    return api.patch("me/", body, token=token, **from_(address))


def test_whether_an_address_is_registered_is_asked_as_seldom_as_by_registering(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S4: by user and by address, together with registrations."""
    set_clock(monkeypatch, NOON)
    api = throttled(register=Rate(5, 1800))
    alice, _ = (register(api, n, HOME).json["access"] for n in ("alice", "victim"))
    tries = [move(api, alice, "victim", AWAY), move(api, alice, "free", AWAY)]
    tries += [move(api, alice, f"victim{n % 2}", HOME) for n in range(2)]
    assert statuses(*tries) == [409, 200, 200, 200]
    # Five from here, registrations included.
    assert move(api, alice, "more", HOME).status_code == 200
    assert move(api, alice, "victim", HOME).status_code == 429
    assert register(api, "carol", HOME).status_code == 429
    # As one user from anywhere.
    assert move(api, alice, "victim", "203.0.113.1").status_code == 429
    set_clock(monkeypatch, NOON + HOUR / 2)
    assert move(api, alice, "victim").status_code == 409


def test_a_change_that_reveals_no_address_is_not_counted(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S4: forms send unchanged addresses; and trouble is not the client's fault."""
    set_clock(monkeypatch, NOON)
    api = throttled(register=Rate(3, 3600))
    alice = register(api, "alice", HOME).json["access"]
    for number in range(9):
        assert move(api, alice, "alice").status_code == 200
        body = {"bio": f"My bio {number}"}
        assert api.patch("me/", body, token=alice, **from_(HOME)).status_code == 200
    assert statuses(*[move(api, alice, f"a{n}") for n in range(3)]) == [200, 200, 429]


def test_parallel_questions_for_an_address_are_counted_exactly(
    throttled: Make,
) -> None:
    """S4: as many at once as there are tries get through, no more."""
    api = throttled(register=Rate(4, 3600))
    alice = register(api, "alice", HOME).json["access"]
    register(api, "victim", AWAY)
    replies = at_once(*[lambda: move(api, alice, "victim")] * 8)
    assert Counter(statuses(*replies)) == {409: 3, 429: 5}


def test_changes_of_address_are_recorded_once_in_a_while(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S4: 60 changes in a minute are one row, and the next says how many there were."""
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")
    for number in range(60):
        assert move(api, alice.access, f"a{number}").status_code == 200
    set_clock(monkeypatch, NOON + MINUTE)
    move(api, alice.access, "last")
    events = rows(api.app, select(*SecurityEvent.__table__.c))
    assert [(row["event"], row["details"]) for row in events] == [
        ("registered", "{}"),
        ("email_changed", "{}"),
        ("email_changed", '{"unrecorded_before":59}'),
    ]


def close(api: Api, token: str, password: str = "wrong") -> Reply:
    """Ask for the account's deletion, with a wrong password mostly."""
    return api.delete("me/", json={"password": password}, token=token)


def change(api: Api, token: str, old: str = "wrong") -> Reply:
    """Ask for another password, with a wrong one mostly."""
    new = {"password": "another password", "password_confirm": "another password"}
    return api.post("me/password/", {"old_password": old, **new}, token=token)


def test_a_thief_of_a_token_does_not_keep_the_owner_from_changing_the_password(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S7: wrong passwords count by session, and spare sessions younger than they."""
    set_clock(monkeypatch, NOON)
    api = throttled(password=Rate(3, 3600))
    stolen = api.register("alice").access
    other = log_in(api, "alice", PASSWORD).json["access"]
    set_clock(monkeypatch, NOON + MINUTE)
    assert statuses(*[close(api, stolen) for _ in range(4)]) == [403] * 3 + [429]
    assert change(api, stolen, PASSWORD).status_code == 429, "together"
    # Nor may a thief of several sessions try as often with each.
    assert change(api, other, PASSWORD).status_code == 429
    set_clock(monkeypatch, NOON + 2 * MINUTE)
    owner = log_in(api, "alice", PASSWORD).json["access"]
    assert change(api, owner).status_code == 400
    assert close(api, stolen).status_code == 429
    assert change(api, owner, PASSWORD).status_code == 200


def test_a_young_session_has_no_more_tries_than_others(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S7: exactly as many at once as the limit says, by session."""
    set_clock(monkeypatch, NOON)
    api = throttled(password=Rate(3, 3600))
    stolen = api.register("alice").access
    assert statuses(*[close(api, stolen) for _ in range(3)]) == [403] * 3
    set_clock(monkeypatch, NOON + MINUTE)
    young = log_in(api, "alice", PASSWORD).json["access"]
    replies = at_once(*[lambda: close(api, young)] * 8)
    assert Counter(statuses(*replies)) == {403: 3, 429: 5}
    assert change(api, young, PASSWORD).status_code == 429


def test_a_refused_try_is_counted_nowhere(throttled: Make) -> None:
    api = throttled(login=Rate(2, 300), login_username=Rate(4, 3600))
    api.register("alice")

    assert statuses(*[log_in(api, "alice", "x", AWAY) for _ in range(50)])[2:] == (
        [429] * 48
    )
    # The fifty from one address have used two of the user's four.
    tries = [log_in(api, "alice", "x", f"203.0.113.{n}") for n in range(3)]
    assert statuses(*tries) == [401, 401, 429]


def test_right_logins_of_one_user_are_limited_too(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S10: they cost as much as wrong ones; which do not count here."""
    set_clock(monkeypatch, NOON)
    api = throttled(login_success=Rate(4, 300))
    alice = api.register("alice")
    for _ in range(9):
        assert log_in(api, "alice").status_code == 401
    tries = [log_in(api, "alice", PASSWORD, f"10.0.0.{n}") for n in range(3)]
    tries += [log_in(api, alice.email, PASSWORD, HOME) for _ in range(2)]
    assert statuses(*tries) == [200] * 4 + [429]
    assert log_in(api, "alice").status_code == 429, "before the work"
    assert log_in(api, "bob").status_code == 401
    set_clock(monkeypatch, NOON + 5 * MINUTE)
    assert log_in(api, "alice", PASSWORD).status_code == 200


def test_right_logins_at_once_are_counted_exactly(throttled: Make) -> None:
    """S10: a loop in eight threads gets no more sessions than the limit says."""
    api = throttled(login_success=Rate(4, 300))
    api.register("alice")
    replies = at_once(*[lambda: log_in(api, "alice", PASSWORD)] * 8)
    assert Counter(statuses(*replies)) == {200: 4, 429: 4}


def test_unknown_places_get_fewer_tries_the_longer_the_row_of_wrong_ones(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S10: from 50 an hour down to 5, and back to 50 when the owner signs in."""
    set_clock(monkeypatch, NOON)
    api = throttled(login_username=Rate(50, 3600))
    register(api, "alice", HOME)

    def wrong_in_hour(hour: int, name: str = "alice", places: int = 55) -> int:
        set_clock(monkeypatch, NOON + hour * HOUR)
        addresses = (f"203.0.113.{n}" for n in range(places))
        tries = statuses(*[log_in(api, name, "x", address) for address in addresses])
        assert tries == sorted(tries)
        return tries.count(401)

    hours = [wrong_in_hour(hour) for hour in range(7)]
    assert hours == [50, 25, 25, 12, 12, 12, 12]
    for hour in range(7, 50):
        wrong_in_hour(hour, places=13)
    assert [wrong_in_hour(hour) for hour in (50, 51)] == [5, 5]
    # As for a name that no user has.
    assert [wrong_in_hour(hour, "nobody") for hour in range(4)] == [50, 25, 25, 12]
    # At home the owner never noticed; it ends the row.
    set_clock(monkeypatch, NOON + 52 * HOUR)
    assert log_in(api, "alice", PASSWORD, HOME).status_code == 200
    assert wrong_in_hour(52) == 50
    assert wrong_in_hour(53) == 25
