"""Background jobs: who runs them, and when; what a killed or failing one does."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from careers_users import create_app, database
from careers_users.extensions import db
from careers_users.jobs import leases, runner
from careers_users.jobs.runner import Busy, Job, Runner, Unknown
from config import TestConfig
from tests.auth.stored import NOON, SECOND, set_clock

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _noon(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Once the database has been made: its migrations write the time.
    del database_url
    set_clock(monkeypatch, NOON)


def with_jobs(app: Flask, **steps: Callable[[], int]) -> Runner:
    """Return a runner, in a process of its own as it were, of these hourly jobs."""
    runner.init_app(app, *(Job(name, HOUR, step) for name, step in steps.items()))
    return Runner(app, Event())


def counted(parts: list[int]) -> Callable[[], int]:
    """Return a step that does these parts, and is done then."""

    def step() -> int:
        return parts.pop(0) if parts else 0

    return step


def states(app: Flask) -> dict[str, leases.State]:
    """Return how the jobs stand."""
    with app.app_context():
        return leases.states(database.reader())


@pytest.fixture
def other(settings: TestConfig) -> Iterator[Flask]:
    """Another instance of the application, on the same database."""
    app = create_app(settings)
    yield app
    with app.app_context():
        db.engine.dispose()


def test_a_job_runs_until_nothing_is_left_and_again_when_it_is_due(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [3, 2, 1]
    jobs = with_jobs(app, tidy=counted(parts))
    jobs.run_due()
    assert parts == []
    state = states(app)["tidy"]
    assert (state.succeeded_at, state.due_at) == (NOON, NOON + HOUR)
    assert (state.holder, state.failures) == (None, 0)

    parts += [1]
    set_clock(monkeypatch, NOON + HOUR - SECOND)
    jobs.run_due()
    assert parts == [1]
    set_clock(monkeypatch, NOON + HOUR)
    jobs.run_due()
    assert parts == []


def test_one_of_several_instances_runs_a_job(app: Flask, other: Flask) -> None:
    runs: list[str] = []
    barrier = Barrier(4)

    def note() -> int:
        runs.append("ran")
        return 0

    runners = [with_jobs(each, once=note) for each in (app, app, other, other)]

    def look(one: Runner) -> None:
        barrier.wait()
        one.run_due()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, runners))
    assert runs == ["ran"]


def test_the_job_of_a_killed_process_is_run_when_its_lease_has_expired(
    app: Flask, other: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        assert leases.claim("tidy", "killed:1")  # And nothing more is heard of it.
    parts = [1]
    jobs = with_jobs(other, tidy=counted(parts))
    set_clock(monkeypatch, NOON + timedelta(seconds=leases.LEASE_SECONDS - 1))
    jobs.run_due()
    with pytest.raises(Busy):
        jobs.run("tidy")
    assert parts == [1]
    set_clock(monkeypatch, NOON + timedelta(seconds=leases.LEASE_SECONDS))
    jobs.run_due()
    assert parts == []


def test_a_process_that_has_lost_the_lease_stops(
    app: Flask, other: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [1, 1, 1]

    def slow() -> int:
        """Take longer than the lease, in which another instance takes over."""
        set_clock(monkeypatch, NOON + timedelta(seconds=leases.LEASE_SECONDS + 1))
        with other.app_context():
            assert leases.claim("tidy", "other:1")
        return parts.pop()

    with_jobs(app, tidy=slow).run_due()
    assert parts == [1, 1]
    assert states(app)["tidy"].holder == "other:1"
    assert states(app)["tidy"].succeeded_at is None


def test_a_failing_job_stops_no_other_and_is_tried_again(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = [
        ZeroDivisionError("a bug"),
        OperationalError("DELETE", {}, Exception("disk full")),
    ]
    ran: list[str] = []

    def fail() -> int:
        if errors:
            raise errors.pop(0)
        return 0

    def note() -> int:
        ran.append("ran")
        return 0

    jobs = with_jobs(app, bad=fail, good=note)
    jobs.run_due()
    assert ran == ["ran"]
    assert "Job bad has failed" in caplog.text
    assert "ZeroDivisionError: a bug" in caplog.text
    for later, failures in ((leases.RETRY_SECONDS - 1, 1), (leases.RETRY_SECONDS, 2)):
        set_clock(monkeypatch, NOON + timedelta(seconds=later))
        jobs.run_due()
        assert states(app)["bad"].failures == failures
    assert "Job bad has failed: The database can't be reached" in caplog.text
    set_clock(monkeypatch, NOON + timedelta(seconds=2 * leases.RETRY_SECONDS))
    jobs.run_due()
    assert states(app)["bad"].failures == 0
    assert ran == ["ran"], "and the good one is not due yet"


def test_a_stop_is_heard_between_two_steps(app: Flask) -> None:
    stop, parts = Event(), [1, 1, 1]

    def step() -> int:
        stop.set()
        return parts.pop()

    runner.init_app(app, Job("tidy", HOUR, step), Job("never", HOUR, step))
    Runner(app, stop).run_due()
    assert parts == [1, 1]
    # The rest is anybody's at once.
    with_jobs(app, tidy=counted(parts)).run_due()
    assert parts == []


def test_the_thread_survives_a_database_that_is_away(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop, ran, looks = Event(), Event(), iter(range(9))
    look = leases.states

    def away(*arguments: Any) -> Any:
        if next(looks) < 2:
            raise OperationalError("SELECT", {}, Exception("server closed"))
        return look(*arguments)

    def note() -> int:
        ran.set()
        return 0

    monkeypatch.setattr(runner, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(leases, "states", away)
    runner.init_app(app, Job("tidy", HOUR, note))
    jobs = Runner(app, stop)
    jobs.start()
    try:
        assert ran.wait(10)
    finally:
        stop.set()
        jobs.join()
    assert caplog.text.count("Jobs could not be looked at") == 2


def test_a_job_that_is_late_is_warned_of(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warnings() -> list[str]:
        reply = app.test_client().get("/health/ready")
        assert reply.status_code == 200
        found = (reply.json or {}).get("warnings", [])
        return [each for each in found if "job" in each]

    jobs = with_jobs(app, tidy=lambda: 1 // 0)
    with app.app_context():
        assert leases.claim("tidy", "killed:1")
    assert warnings() == []
    set_clock(monkeypatch, NOON + HOUR + 36 * SECOND)
    assert warnings() == ["The job tidy is 1.0 h late: no process runs jobs."]
    jobs.run_due()
    set_clock(monkeypatch, NOON + 3 * HOUR)
    [failed] = warnings()
    assert failed == (
        "The job tidy is 3.0 h late: it has failed 1 times in a row; the log says why."
    )
    with_jobs(app, tidy=lambda: 0).run_due()
    assert warnings() == []


def test_a_job_can_be_run_by_name(app: Flask) -> None:
    parts = [2, 1]
    jobs = with_jobs(app, tidy=counted(parts))
    jobs.run_due()
    parts += [4]
    assert jobs.run("tidy") == 4
    with pytest.raises(Unknown):
        jobs.run("other")


def test_a_migrated_database_knows_the_jobs(app: Flask) -> None:
    known, registered = states(app), runner.registry(app).jobs
    assert known.keys() <= registered.keys()
    assert {"expired-sessions", "expired-attempts"} <= known.keys()
