"""Reads on the driver's own cursor: the same rows and failures as by the usual way."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import bindparam, column, event, exists, false, func, select, table
from sqlalchemy.exc import DBAPIError

from careers_users import database
from careers_users.extensions import db
from careers_users.models import Follow, User, UserCounters
from tests import pgbouncer
from tests.api import Api

PEOPLE = (
    select(
        User.id,
        User.username,
        User.avatar,
        User.is_active,
        User.created_at,
        (exists().where(Follow.follower_id == User.id)).label("is_following_any"),
        func.count().over().label("total"),
    )
    .join(UserCounters, UserCounters.user_id == User.id)
    .where(User.created_at > bindparam("since"))
    .where(User.username.in_([bindparam("one"), bindparam("other")]))
    .where(User.username != "100% nobody's")
    .order_by(User.id.desc())
    .limit(bindparam("size"))
)
VALUES = {
    "since": datetime(2020, 1, 1, tzinfo=UTC),
    "one": "alice",
    "other": "bob",
    "size": 5,
}


@contextmanager
def listened_to(app: Flask) -> Iterator[list[str]]:
    """Have somebody who listens to statements, so that the usual way is taken."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def test_both_ways_find_the_same(api: Api, app: Flask) -> None:
    alice, bob = (
        api.register("alice"),
        api.register("bob", avatar="https://a.example/b"),
    )
    api.post("follow/", {"following": bob.id}, token=alice.access)

    with app.app_context():
        quick = database.fetch_all(PEOPLE, VALUES)
    with app.app_context(), listened_to(app) as seen:
        usual = database.fetch_all(PEOPLE, VALUES)

    assert len(seen) == 1
    assert [*map(dict, quick)] == [*map(dict, usual)]
    assert [(row["username"], row["is_following_any"]) for row in quick] == [
        ("bob", False),
        ("alice", True),
    ]
    assert quick[0]["created_at"].utcoffset() == datetime.now(UTC).utcoffset()
    assert quick[0]["is_active"] is True
    assert quick[0]["total"] == 2


def test_nothing_found_is_no_row(app: Flask) -> None:
    with app.app_context():
        assert database.fetch_all(select(User.id).where(false())) == []
        assert database.fetch_one(select(User.id).where(User.id == 5)) is None


def test_a_parameter_that_misses_is_an_error(app: Flask) -> None:
    with app.app_context(), pytest.raises(KeyError):
        database.fetch_all(PEOPLE, {"since": VALUES["since"], "one": "", "size": 1})


def test_a_failure_is_sqlalchemys_and_shows_no_values(app: Flask) -> None:
    missing = table("no_such_table", column("secret"))
    statement = select(missing.c.secret).where(missing.c.secret == bindparam("value"))
    with app.app_context():
        with pytest.raises(DBAPIError) as caught:
            database.fetch_all(statement, {"value": "hush"})
        assert database.is_trouble(caught.value)
        assert "no_such_table" in str(caught.value)
        assert "hush" not in str(caught.value)
        assert not caught.value.connection_invalidated
        # The connection went back to the pool, and is fit to be used again.
        for _ in range(20):
            assert database.fetch_one(select(func.count().label("number"))) is not None


def test_killed_connections_are_replaced(app: Flask, database_kind: str) -> None:
    if database_kind == "sqlite":
        pytest.skip("an SQLite connection has nobody at its other end")
    if pgbouncer.IS_ASKED_FOR:
        pytest.skip("the connections that can be killed are PgBouncer's own")
    mine = select(func.pg_backend_pid().label("pid"))
    with app.app_context():
        # Several at once, so that the pool keeps several, and all of them die.
        with ExitStack() as stack:
            held = [stack.enter_context(database.reader().connect()) for _ in range(4)]
            pids = [connection.execute(mine).scalar_one() for connection in held]
        url = db.engine.url.set(drivername="postgresql").render_as_string(False)
        with psycopg.connect(url, autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(n) FROM unnest(%s) n", [pids])
        for _ in range(5):
            row = database.fetch_one(mine)
            assert row is not None
            assert row["pid"] not in pids
