"""Faults on our side: a failing database, and unexpected exceptions."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy import text as sql
from sqlalchemy.pool import NullPool

from careers_users import create_app
from careers_users.extensions import db
from config import TestConfig
from tests.api import PASSWORD, Account, Api

READS = ("", "alice/", "alice/stats/", "alice/followers/", "?search=alice")
LOGIN = {"username": "alice", "password": PASSWORD}


@pytest.fixture
def settings(settings: TestConfig) -> TestConfig:
    """Settings of little patience, and with a single connection."""
    return replace(settings, db_lock_timeout=1, db_pool_size=1, db_pool_timeout=1)


@pytest.fixture
def engine(api: Api) -> Engine:
    """Return the engine of the application under test."""
    with api.app.app_context():
        return db.engine


@pytest.fixture
def alice(api: Api) -> Account:
    """Return a user with a request to make."""
    return api.register("alice")


def check_unavailable(response: Any) -> None:
    """Assert that a reply asks the client to come back later, and tells no more."""
    assert response.status_code == 503
    assert response.json["code"] == "service_unavailable"
    assert int(response.headers["Retry-After"]) in range(1, 61)
    for word in ("sql", "sqlite", "postgres", "psycopg", "table", "lock", "database"):
        assert word not in response.text.lower()


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """Hold the lock that all writing needs, from another connection."""
    other = create_engine(engine.url, poolclass=NullPool)
    with other.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("LOCK TABLE users, refresh_tokens, follows")
        yield
        connection.rollback()


@pytest.mark.usefixtures("alice")
def test_a_locked_database_is_503_and_none_of_it_stays(
    api: Api, engine: Engine
) -> None:
    with locked(engine):
        check_unavailable(api.post("login/", LOGIN))
    assert api.post("login/", LOGIN).status_code == 200


def configure_connections(engine: Engine, statement: str) -> None:
    """Say something on each connection to come."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        connection.execute(statement)
        if engine.dialect.name == "postgresql":
            connection.commit()

    engine.dispose()


def test_a_read_only_database_is_503_for_writes_and_serves_reads(
    api: Api, engine: Engine, alice: Account
) -> None:
    is_sqlite = engine.dialect.name == "sqlite"
    configure_connections(
        engine,
        "PRAGMA query_only = ON"
        if is_sqlite
        else "SET default_transaction_read_only = on",
    )

    check_unavailable(api.post("login/", LOGIN))
    check_unavailable(api.patch("me/", {"bio": "Hello"}, token=alice.access))
    check_unavailable(
        api.post("logout/", {"refresh": alice.refresh}, token=alice.access)
    )
    for path in (*READS, "me/", "me/stats/"):
        assert api.get(path, token=alice.access).status_code == 200, path
    assert api.post("token/refresh/", {"refresh": alice.refresh}).status_code == 200


def make_full(engine: Engine) -> None:
    """Leave no space for new rows, in the words of each database."""
    if engine.dialect.name == "sqlite":
        configure_connections(engine, "PRAGMA max_page_count = 1")
        return
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'No space left' USING ERRCODE = '53100'; END$$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER full_disk BEFORE INSERT ON refresh_tokens "
            "EXECUTE FUNCTION full_disk()"
        )


def test_a_full_database_is_503(api: Api, engine: Engine, alice: Account) -> None:
    make_full(engine)

    # As often as it takes to fill the pages there are.
    for _ in range(200):
        response = api.post("login/", LOGIN)
        if response.status_code != 200:
            break
    check_unavailable(response)
    assert api.get("me/", token=alice.access).status_code == 200


def test_a_database_that_is_not_migrated_is_503(
    api: Api, engine: Engine, alice: Account, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE users RENAME TO people")

    for path in READS:
        check_unavailable(api.get(path))
    check_unavailable(api.get("me/", token=alice.access))
    check_unavailable(api.post("login/", LOGIN))
    check_unavailable(api.post("token/refresh/", {"refresh": alice.refresh}))
    # Operators, unlike clients, are told.
    assert "users" in caplog.text


def test_no_free_connection_is_503(
    api: Api, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.connect():
        check_unavailable(api.get(""))
    assert "QueuePool limit" in caplog.text
    assert api.get("").status_code == 200


def test_a_database_that_is_away_is_503(
    settings: TestConfig, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = (
        "sqlite:////nowhere/at/all.db"
        if settings.is_sqlite
        else "postgresql+psycopg://alice:open-sesame@127.0.0.1:1/nowhere"
    )
    app = create_app(replace(settings, database_url=nowhere))
    api = Api(app)

    for path in READS:
        check_unavailable(api.get(path))
    check_unavailable(api.post("login/", LOGIN))
    assert "open-sesame" not in caplog.text


def test_without_a_signing_key_everything_is_503(settings: TestConfig) -> None:
    """An application of this kind is made for migrating."""
    api = Api(create_app(replace(settings, jwt_secret_key="")))

    for path in ("", "me/", "/health/live", "nothing/at/all"):
        response = api.get(path)
        assert (response.status_code, response.json["code"]) == (
            503,
            "service_unavailable",
        )
    assert api.post("register/", {}).status_code == 503


def test_a_conflict_without_a_name_is_409(
    api: Api, engine: Engine, alice: Account, caplog: pytest.LogCaptureFixture
) -> None:
    api.register("bob", avatar="https://example.com/bob.jpg")
    with engine.begin() as connection:
        connection.execute(sql("CREATE UNIQUE INDEX secret_rule ON users (avatar)"))

    changes = {"avatar": "https://example.com/bob.jpg"}
    response = api.patch("me/", changes, token=alice.access)

    assert response.status_code == 409
    assert response.json["code"] == "conflict"
    assert "secret_rule" not in response.text
    assert "avatar" not in response.text
    assert "avatar" in caplog.text or "secret_rule" in caplog.text


def break_clock(monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    """Let time go wrong."""
    monkeypatch.setattr("careers_users.clock.utcnow", clock)


def raise_secret() -> datetime:
    """Fail in an unexpected way."""
    raise RuntimeError("the secret reason")


def test_an_unexpected_exception_is_a_500_that_tells_nothing(
    api: Api,
    alice: Account,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = api.app.test_client()
    naive = datetime(2024, 1, 15)  # noqa: DTZ001 - what the database refuses to store
    for clock, reason in ((raise_secret, "secret reason"), (lambda: naive, "zone")):
        caplog.clear()
        break_clock(monkeypatch, clock)
        response = client.post("/careers/users/login/", json=LOGIN)
        assert response.status_code == 500
        assert response.mimetype == "application/json"
        assert response.json == {
            "error": "Something went wrong on our side",
            "code": "internal_error",
            "details": "Something went wrong on our side",
        }
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Traceback" in caplog.text
        assert reason in caplog.text
        assert {record.levelno for record in caplog.records} == {logging.ERROR}
    monkeypatch.undo()
    # The connections are whole.
    assert api.get("me/", token=alice.access).status_code == 200
    assert api.post("login/", LOGIN).status_code == 200
