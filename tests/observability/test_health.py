"""/health/live and /health/ready: what they say, and how soon, whatever is wrong."""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from careers_users import create_app
from careers_users.observability import health
from careers_users.observability.health import NO_ANSWER, PROBE_SECONDS
from careers_users.server.status import draining
from config import TestConfig
from tests.conftest import KEY
from tests.live_server import at_once

# On top of the probe's own limit: a busy machine.
SLACK = 1.5


def ready(app: Flask) -> tuple[int, Any, float]:
    """Ask for readiness; return status, body and the seconds it took."""
    begun = time.monotonic()
    reply = app.test_client().get("/health/ready")
    assert ("Retry-After" in reply.headers) == (reply.status_code == 503)
    assert reply.headers["Cache-Control"] == (
        "no-cache" if reply.status_code == 200 else "no-store"
    )
    return reply.status_code, reply.json, time.monotonic() - begun


def unavailable(database: str, *, is_draining: bool = False) -> dict[str, Any]:
    """Return the body that says so."""
    return {"status": "unavailable", "draining": is_draining, "database": database}


def app_at(url: str) -> Flask:
    """Return an application with a database at `url`."""
    return create_app(TestConfig(database_url=url, jwt_secret_key=KEY))


def test_a_service_that_is_well_says_so(app: Flask) -> None:
    status, body, _ = ready(app)
    assert (status, body) == (
        200,
        {"status": "ok", "draining": False, "database": "ok"},
    )
    assert app.test_client().get("/health/live").json == {"status": "ok"}


def test_a_draining_service_is_not_ready_and_lives(app: Flask) -> None:
    draining.set()
    try:
        assert ready(app)[:2] == (503, unavailable("ok", is_draining=True))
        assert app.test_client().get("/health/live").status_code == 200
    finally:
        draining.clear()


def test_a_database_that_is_not_migrated_is_named(
    app: Flask, database_url: str
) -> None:
    run(database_url, "UPDATE alembic_version SET version_num = '0001'")
    status, body, _ = ready(app)
    assert status == 503
    assert "not migrated (0001" in body["database"]
    run(database_url, "DROP TABLE alembic_version")
    assert "not migrated (empty" in ready(app)[1]["database"]


def run(url: str, statement: str) -> None:
    """Change a database past the product."""
    with connection(url) as database:
        database.execute(statement)


@contextmanager
def connection(url: str) -> Iterator[Any]:
    """Yield a connection of our own, each statement a transaction."""
    if url.startswith("sqlite"):
        database: Any = sqlite3.connect(
            url.removeprefix("sqlite:///"), isolation_level=None
        )
    else:
        database = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    try:
        yield database
    finally:
        database.close()


def test_a_database_that_is_away_is_unreachable(
    database_kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = tmp_path / "missing.db"
    url, words = f"sqlite:///{missing}", "can't be opened"
    if database_kind == "postgresql":
        words = "unreachable"
        url = "postgresql+psycopg://alice:open-sesame@127.0.0.1:1/nowhere"
    app = app_at(url)

    status, body, seconds = ready(app)

    assert (status, body) == (503, unavailable(words))
    assert seconds < PROBE_SECONDS + SLACK
    assert not missing.exists(), "asking must not make an empty database"
    assert app.test_client().get("/health/live").status_code == 200
    assert "The database is in trouble" in caplog.text
    assert "open-sesame" not in caplog.text


def test_a_database_server_that_says_nothing_does_not_hang_us() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        app = app_at(f"postgresql+psycopg://alice@{address}/nowhere")

        # Ten at once are answered as soon as one, and are one question.
        answers = at_once(lambda _: ready(app), range(10))

        for status, body, seconds in answers:
            assert (status, body["draining"]) == (503, False)
            assert body["database"] in (NO_ANSWER, "unreachable")
            assert seconds < PROBE_SECONDS + SLACK
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
        begun = time.monotonic()
        assert app.test_client().get("/health/live").status_code == 200
        assert time.monotonic() - begun < SLACK


def test_a_locked_database_does_not_hang_us(app: Flask, database_url: str) -> None:
    with connection(database_url) as other:
        if database_url.startswith("sqlite"):
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            other.execute("UPDATE alembic_version SET version_num = version_num")
        else:
            other.execute("BEGIN; LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")

        status, body, seconds = ready(app)

        assert status == 503
        assert body["database"] in (NO_ANSWER, "unreachable")
        assert seconds < PROBE_SECONDS + SLACK
    assert eventually_ok(app)


def eventually_ok(app: Flask) -> bool:
    """Return whether readiness comes back, once the trouble is over."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if ready(app)[0] == 200:
            return True
    return False


def test_connections_that_are_all_at_work_are_no_reason(settings: TestConfig) -> None:
    app = create_app(replace(settings, db_pool_size=1))
    from_pool = threading.Event()
    done = threading.Event()

    def hold() -> None:
        with app.app_context():
            database = app.extensions["sqlalchemy"].engine.connect()
            from_pool.set()
            done.wait(30)
            database.close()
            app.extensions["sqlalchemy"].engine.dispose()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert from_pool.wait(10)
        assert ready(app)[0] == 200
    finally:
        done.set()
        holder.join()


def test_one_question_answers_all_who_ask_within_a_second(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "KEEP_SECONDS", 60)
    asked: list[str] = []
    look = health.Probe._look

    def count(probe: health.Probe) -> health.State:
        asked.append("database")
        return look(probe)

    monkeypatch.setattr(health.Probe, "_look", count)
    at_once(lambda _: ready(app), range(4))
    assert ready(app)[0] == 200
    assert asked == ["database"]
    monkeypatch.setattr(health, "KEEP_SECONDS", 0)
    assert ready(app)[0] == 200
    assert len(asked) == 2
