"""The commands careers-users jobs and careers-users worker."""

import json
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert

from careers_users.jobs import leases, runner
from careers_users.models import RevokedToken
from tests.auth.stored import NOON, change, set_clock


def invoke(app: Flask, *words: str) -> tuple[int, str, str]:
    """Run a command; return its exit code, output and errors."""
    done = app.test_cli_runner().invoke(args=["jobs", *words])
    return done.exit_code, done.stdout, done.stderr


def test_jobs_are_listed_and_run(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, NOON)
    times = {"revoked_at": NOON, "expires_at": NOON - timedelta(days=1)}
    rows = [{"id": str(number), **times} for number in range(3)]
    change(app, insert(RevokedToken).values(rows))

    code, said, _ = invoke(app, "list")
    names = [line.split()[0] for line in said.splitlines()]
    assert (code, names) == (0, list(runner.registry(app).jobs))
    assert "expired-revocations    every 3600 s, succeeded never" in said

    done = invoke(app, "run", "expired-revocations")
    assert done == (0, "expired-revocations: 3 done.\n", "")
    found = {job["name"]: job for job in json.loads(invoke(app, "list", "--json")[1])}
    assert found["expired-revocations"]["succeeded_at"] == "2031-05-17T12:00:00Z"
    assert found["expired-revocations"]["due_at"] == "2031-05-17T13:00:00Z"
    assert found["expired-sessions"]["succeeded_at"] is None


def test_a_job_that_is_run_elsewhere_or_is_not_there(app: Flask) -> None:
    with app.app_context():
        assert leases.claim("expired-sessions", "elsewhere:1", even_if_early=True)
    code, _, said = invoke(app, "run", "expired-sessions")
    assert (code, said) == (
        1,
        "careers-users: Another process runs expired-sessions just now.\n",
    )
    assert "run by elsewhere:1" in invoke(app, "list")[1]
    code, _, said = invoke(app, "run", "nothing")
    assert code == 2
    assert "There is no job nothing; there are expired-sessions, " in said
