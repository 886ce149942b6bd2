"""How many searches a process makes at once, and how long each may take."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import text

from careers_users import create_app
from careers_users.database import time_limit
from careers_users.extensions import db
from careers_users.profile import search_places
from config import TestConfig
from tests.api import Api, Reply
from tests.statements import listened_to

SEARCHES = ["?search=x", "?q=alice", "?first_name=a", "?search=ali&last_name=b"]
NO_SEARCHES = ["", "?search=&batch_number=3", "?ids=1,2&search=alice", "alice/"]


@pytest.fixture
def two_threads(settings: TestConfig) -> Iterator[Api]:
    """Yield an application of two threads, and so with one place."""
    app = create_app(replace(settings, threads=2))
    yield Api(app)
    with app.app_context():
        db.engine.dispose()


def assert_refused(response: Reply, code: str) -> None:
    """Assert that a search was refused for now; `Api` looks at Retry-After."""
    assert response.status_code == 503, response.text
    assert response.json["code"] == code


@pytest.mark.parametrize(("threads", "places"), [(1, 1), (2, 1), (4, 2), (16, 14)])
def test_one_thread_is_left_by_those_that_search_and_wait(
    settings: TestConfig,
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
    places: int,
) -> None:
    monkeypatch.setattr(search_places, "WAIT_SECONDS", 0.01)
    app = create_app(replace(settings, threads=threads))
    with app.app_context():
        taken = [search_places.search_places().place() for _ in range(places)]
        for place in taken:
            place.__enter__()
        with (
            pytest.raises(search_places.SearchBusy),
            search_places.search_places().place(),
        ):
            pass
        for place in reversed(taken):
            place.__exit__(None, None, None)


def test_without_a_place_searches_are_503_and_all_else_goes_on(
    two_threads: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_threads.register("alice")
    monkeypatch.setattr(search_places, "WAIT_SECONDS", 0.01)
    with two_threads.app.app_context():
        places = search_places.search_places()

    with two_threads.app.app_context(), places.place():
        for path in SEARCHES:
            assert_refused(two_threads.get(path), "overloaded")
        for path in NO_SEARCHES:
            assert two_threads.get(path).status_code == 200, path
    for path in SEARCHES * 2:
        assert two_threads.get(path).status_code == 200, path


@contextmanager
def endless_searches(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each search take longer than it may."""
    with app.app_context():
        engine = db.engine
    if engine.dialect.name == "sqlite":
        with monkeypatch.context() as patched:
            patched.setattr(search_places, "SEARCH_SECONDS", -1.0)
            patched.setattr(time_limit, "SQLITE_STEPS", 1)
            yield
        return
    with monkeypatch.context() as patched, engine.connect() as holder:
        patched.setattr(search_places, "SEARCH_SECONDS", 0.05)
        # The words are found without the shards of the total, a list is not.
        holder.execute(text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
        yield


def assert_usual_limit(app: Flask) -> None:
    """Assert that PostgreSQL's limit is again that of the settings."""
    with app.app_context(), db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            limit = connection.execute(text("SHOW statement_timeout")).scalar_one()
            assert limit == f"{TestConfig.db_statement_timeout}s"


@pytest.mark.parametrize("way", ["quick", "watched"])
def test_a_search_that_takes_too_long_is_503(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    api.register("alice")
    with endless_searches(api.app, monkeypatch):
        for path in SEARCHES:
            if way == "quick":
                assert_refused(api.get(path), "search_timed_out")
            else:
                with listened_to(api.app):
                    assert_refused(api.get(path), "search_timed_out")
    assert "trouble" not in caplog.text

    # The limit was of that search alone, and its place is free again.
    assert_usual_limit(api.app)
    for path in (*SEARCHES, *NO_SEARCHES):
        assert api.get(path).status_code == 200, path
