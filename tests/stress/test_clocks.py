"""Clocks. There is one, tests move it, and instances seconds apart agree."""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from careers_users.clock import utcnow
from tests import live_server
from tests.auth.stored import set_clock
from tests.jobs.run import run_jobs
from tests.live_server import PASSWORDS
from tests.stress.conftest import Serve
from tests.stress.filled import app_on
from tests.stress.load import Caller, Outcome

# Instances in practice, without NTP for a while.
APART = 5
MINUTE, HOUR, DAY = 60, 3600, 86400
# The console command, with a clock that is so many seconds ahead as a file says.
MOVED = """
import sys
from datetime import timedelta
from pathlib import Path
from careers_users import clock
file, utcnow = Path(sys.argv.pop(1)), clock.utcnow
clock.utcnow = lambda: utcnow() + timedelta(seconds=int(file.read_text() or 0))
from careers_users.jobs import runner
runner.POLL_SECONDS = 3600  # The test looks at rows before they are pruned.
from careers_users.__main__ import main
main()
"""
THROTTLED = {
    "CAREERS_USERS_RATELIMIT_ENABLED": "true",
    "CAREERS_USERS_RATELIMIT_LOGIN": "3/5minutes",
    # Longer than the default, for a machine that is busy with other things.
    "CAREERS_USERS_REFRESH_REUSE_WINDOW": "30",
}
TABLES = "refresh_tokens revoked_tokens reserved_usernames throttle security_events"


class Clock:
    """The clock of instances and commands; `serving()` are words to start one with."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        """Make it that much later than it is."""
        # Replaced as one: it is read at any time.
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)

    def command(self, *words: str) -> tuple[str, ...]:
        """Return the console command that goes by this clock."""
        return (sys.executable, "-c", MOVED, str(self._file), *words)


def log_in(caller: Caller, name: str, password: str = "password123") -> Outcome:
    """Try to log in."""
    return caller.call("POST", "login/", {"username": name, "password": password})


def refresh(caller: Caller, token: str, *, rotate: bool = False) -> Outcome:
    """Try to refresh."""
    return caller.call("POST", "token/refresh/", {"refresh": token, "rotate": rotate})


def counts(url: str) -> dict[str, int]:
    """Return how many rows there are in what is pruned."""
    tables = [*TABLES.split(), "activity_events"]
    return {
        table: live_server.ask(url, f"SELECT count(*) FROM {table}")[0][0]
        for table in tables
    }


def test_one_clock_moves_everything(
    database_url: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All times of the service follow one clock: access tokens end after an hour and
    sessions after seven days, a replaced token has its grace, limits end with their
    window, and each table is pruned when its time has come."""
    clock = Clock(tmp_path / "clock")
    settings = {**THROTTLED, "CAREERS_USERS_ARGON2_MEMORY_KIB": "7168"}
    server = serve(database_url, command=clock.command("serve"), **settings)
    with Caller(server.port) as caller:
        tokens = caller.register("alice").body
        gone = caller.register("gone_soon").body["access"]
        password = {"password": PASSWORDS["password"]}
        assert caller.call("DELETE", "me/", password, gone).status == 200
        _grace(caller, clock, tokens["refresh"])
        _window(caller, clock)
        _expiry(caller, clock)
        caller.close()  # The server thinks that hours have passed without a word.
    assert "Traceback" not in server.log
    server.stop()
    _prune(database_url, monkeypatch)


def _grace(caller: Caller, clock: Clock, first: str) -> None:
    """Assert that a replaced token is good until 30 s after its successor was used."""
    second = refresh(caller, first, rotate=True).body["refresh"]
    assert refresh(caller, second).status == 200
    clock.set(10)
    assert refresh(caller, first).status == 200
    clock.set(31)
    assert refresh(caller, first).status == 401
    assert refresh(caller, second).status == 401, "both of them are out now"


def _window(caller: Caller, clock: Clock) -> None:
    """Three wrong passwords in five minutes; then three more."""
    for begun in (2 * MINUTE, 7 * MINUTE + 1):
        clock.set(begun)
        wrong = [log_in(caller, "alice", "wrong").status for _ in range(4)]
        assert wrong == [401, 401, 401, 429]
        clock.set(begun + 4 * MINUTE)
        assert log_in(caller, "alice").status == 429
    clock.set(13 * MINUTE)
    assert log_in(caller, "alice").status == 200


def _expiry(caller: Caller, clock: Clock) -> None:
    """Assert an hour for access, seven days for a session, however often refreshed."""
    tokens: Any = log_in(caller, "alice").body
    begun = 13 * MINUTE
    for later, status in ((HOUR - 2 * MINUTE, 200), (HOUR + 2 * MINUTE, 401)):
        clock.set(begun + later)
        caller.close()
        assert caller.call("GET", "me/", token=tokens["access"]).status == status
    clock.set(begun + 7 * DAY - 2 * MINUTE)
    caller.close()
    last = refresh(caller, tokens["refresh"]).body["access"]
    clock.set(begun + 7 * DAY + 2 * MINUTE)
    caller.close()
    assert refresh(caller, tokens["refresh"]).status == 401
    assert caller.call("GET", "me/", token=last).status == 200


def _prune(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are kept for their time, and then none is left."""
    event = "INSERT INTO activity_events (source, id, received_at)"
    live_server.ask(url, f"{event} SELECT 'x', '1', created_at FROM users LIMIT 1")
    full, now = counts(url), utcnow()
    assert all(full.values()), full
    for days, left in (
        (0, set(full)),
        # Tries and sessions are over.
        (9, {"reserved_usernames", "security_events", "activity_events"}),
        (31, {"security_events"}),
        (100, set()),
    ):
        moment = now + timedelta(days=days)
        set_clock(monkeypatch, moment)
        with app_on(url) as app:
            run_jobs(app)
        assert {name for name, count in counts(url).items() if count} == left, days


@pytest.mark.quick
def test_instances_seconds_apart_agree(
    database_url: str, serve: Serve, tmp_path: Path, figures: dict[str, str]
) -> None:
    """Two instances whose clocks are five seconds apart agree: each accepts the other's
    tokens at once, sees what it ended, rotates and counts with it; lists keep their
    order and no time moves back."""
    clock = Clock(tmp_path / "clock")
    clock.set(APART)
    ahead = serve(database_url, command=clock.command("serve"), **THROTTLED)
    behind = serve(database_url, **THROTTLED)
    figures["apart"] = f"{APART} s"
    with Caller(ahead.port) as early, Caller(behind.port) as late:
        for number, (one, other) in enumerate(((early, late), (late, early))):
            _sessions(one, other, f"walker_{number}")
            _tries(one, other, f"guessed_{number}")
        _lists(early, late)
    # The order in which they were written is that of their ids, whatever the times.
    assert live_server.wrong_counters(database_url) == []
    assert "Traceback" not in ahead.log + behind.log


def _sessions(one: Caller, other: Caller, name: str) -> None:
    """Assert that what one instance issues or revokes is so for the other."""
    tokens = one.register(name).body
    access, first = tokens["access"], tokens["refresh"]
    assert other.call("GET", "me/", token=access).status == 200
    second = refresh(other, first, rotate=True).body["refresh"]
    # The reply was lost: the one before is good until the next is known to be there.
    assert refresh(one, first, rotate=True).status == 200
    third = refresh(one, second, rotate=True).body["refresh"]
    assert refresh(other, third).status == 200
    assert refresh(one, second).status == 200, "in its grace, at both"
    assert refresh(other, second).status == 200
    assert refresh(one, first).status == 401, "used twice: the session is over"
    for caller in (one, other):
        assert refresh(caller, third).status == 401
        assert caller.call("GET", "me/", token=access).status == 401
    again = log_in(other, name).body
    assert one.call("POST", "logout/all/", {}, again["access"]).status == 200
    assert other.call("GET", "me/", token=again["access"]).status == 401


def _tries(one: Caller, other: Caller, name: str) -> None:
    """Right passwords are no tries, wrong ones are counted together: three of them."""
    assert one.register(name).status == 201
    for caller in (one, other, one, other, one, other):
        assert log_in(caller, name).status == 200
    callers = (one, other, one, other, one)
    wrong = [log_in(caller, name, "wrong").status for caller in callers]
    assert wrong == [401, 401, 401, 429, 429]
    for caller in (one, other):
        refused = log_in(caller, name)
        assert refused.status == 429
        assert 5 * MINUTE - 60 < int(refused.retry_after or 0) <= 5 * MINUTE + APART


def _lists(early: Caller, late: Caller) -> None:
    """Newest first is the order of what happened; by time it is at most so far off."""
    assert early.register("listed").status == 201
    names = [f"follower_{number}" for number in range(10)]
    for number, name in enumerate(names):
        one, other = (early, late) if number % 2 else (late, early)
        token = one.register(name).body["access"]
        before = other.call("PATCH", "me/", {"bio": "a"}, token).body["updated_at"]
        after = one.call("PATCH", "me/", {"bio": "b"}, token).body["updated_at"]
        assert moment(before) <= moment(after)
        followed = other.call("POST", "follow/", {"username": "listed"}, token)
        assert followed.status == 201
    for caller in (early, late):
        assert _walk(caller, "listed/followers/?batch_size=3") == names[::-1]
    users = early.call("GET", "?search=follower_&ordering=created_at").body["users"]
    listed = [user["username"] for user in users]
    assert sorted(listed) == names
    # One of the two clocks registered the even ones: these stand in their order.
    assert [name for name in listed if name in names[::2]] == names[::2]
    assert [name for name in listed if name in names[1::2]] == names[1::2]


def _walk(caller: Caller, path: str | None) -> list[str]:
    found = []
    while path is not None:
        page = caller.call("GET", path).body
        found += [row["username"] for row in page["results"]]
        path = page["next"]
    return found


def moment(text: str) -> datetime:
    """Return the time that a reply says."""
    return datetime.fromisoformat(text)
