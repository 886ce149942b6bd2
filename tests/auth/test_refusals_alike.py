"""S2: what follows a refusal does not reveal that there is such a user.

Work after a reply shows on its connection, so all is done before it: the same
statements and the same commits, for users that exist and for others.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from careers_users.extensions import db
from careers_users.models import SecurityEvent
from careers_users.settings.rates import Rate
from tests.api import PASSWORD, Api
from tests.auth.conftest import Make
from tests.auth.stored import NOON, change_user, rows, set_clock
from tests.auth.test_throttle import AWAY, HOME, from_, log_in, register

RATE = Rate(4, 300)
LIMITS = dict.fromkeys(("login", "login_address", "login_username"), RATE)


@contextmanager
def traffic(app: Flask) -> Iterator[list[str]]:
    """Yield all that the database is told meanwhile, commits and rollbacks included."""
    seen: list[str] = []

    def note_statement(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    def note_commit(_connection: Any) -> None:
        seen.append("COMMIT")

    def note_rollback(_connection: Any) -> None:
        seen.append("ROLLBACK")

    with app.app_context():
        engine = db.engine
    notes: dict[str, Callable[..., None]] = {
        "before_cursor_execute": note_statement,
        "commit": note_commit,
        "rollback": note_rollback,
    }
    for name, note in notes.items():
        event.listen(engine, name, note)
    yield seen
    for name, note in notes.items():
        event.remove(engine, name, note)


@pytest.mark.parametrize("limits", [{}, {**LIMITS, "login_success": Rate(9, 300)}])
def test_refused_logins_cost_the_same_for_users_and_others(
    throttled: Make, monkeypatch: pytest.MonkeyPatch, limits: dict[str, Rate]
) -> None:
    """S2, by name and by e-mail address, inactive users, and beyond the limits."""
    set_clock(monkeypatch, NOON)
    api = throttled(**limits)
    for name in ("alice", "inactive"):
        assert register(api, name, HOME).status_code == 201
    change_user(api.app, "inactive", is_active=False)

    def cost(name: str, password: str, address: str) -> list[tuple[int, str]]:
        told = []
        for _ in range(6):
            with traffic(api.app) as seen:
                reply = log_in(api, name, password, address)
            statements = [s.replace("email_key", "username_key") for s in seen]
            told.append((reply.status_code, "; ".join(statements)))
        return told

    names = "nobody alice nobody@example.com alice@example.com inactive".split()
    names += ["inactive@example.com"]
    costs = [
        cost(name, PASSWORD if "inactive" in name else "wrong", f"198.51.100.{n}")
        for n, name in enumerate(names)
    ]
    assert {status for status, _ in costs[0]} == {401, *([429] if limits else [])}
    for name, told in zip(names, costs, strict=True):
        if limits and name in ("alice@example.com", "inactive@example.com"):
            # By then the user's own limit is reached; see docs/threat-model.md.
            assert told[0][0] == 429
        else:
            assert told == costs[0], name
    assert Counter(s for _, t in costs[0] for s in t.split("; "))["COMMIT"] > 0


def test_refused_registrations_cost_the_same_whatever_else_is_taken(
    api: Api, app: Flask
) -> None:
    """S2: a name that is taken does not reveal that the address is taken too."""
    api.register("alice")

    def cost(username: str, email: str) -> tuple[str, list[str]]:
        body = {"username": username, "email": f"{email}@example.com"}
        passwords = {"password": PASSWORD, "password_confirm": PASSWORD}
        with traffic(app) as seen:
            reply = api.post("register/", body | passwords)
        return reply.json["code"], seen

    free, both = cost("alice", "free"), cost("alice", "alice")
    assert free == both
    assert free[0] == "username_taken"
    assert "ROLLBACK" in free[1]
    assert cost("bob", "alice") == ("email_taken", free[1])


def test_events_without_a_user_are_bounded_by_the_limit_of_their_address(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S2: a stranger makes us write no more than the address may try."""
    set_clock(monkeypatch, NOON)
    api = throttled(login_address=RATE)
    for number in range(3 * RATE.tries):
        log_in(api, f"nobody{number}", address=AWAY)
    stored = rows(api.app, select(*SecurityEvent.__table__.c))
    assert [row["event"] for row in stored] == ["login_failed"] * RATE.tries
    assert {(row["user_id"], row["address"]) for row in stored} == {(0, AWAY)}
    assert "nobody" not in str(stored)
    # They are in no one's trail.
    alice = api.register("alice")
    events = api.get("me/activity/", token=alice.access, **from_(AWAY)).json["results"]
    assert [event["event"] for event in events] == ["registered"]
