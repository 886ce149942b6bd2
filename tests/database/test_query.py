"""Reads on the driver's own cursor: the same rows and failures as by the usual way."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    String,
    bindparam,
    column,
    exists,
    false,
    func,
    literal_column,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError

from careers_users import database
from careers_users.database import Query, errors, room_for
from careers_users.database.libpq import PREPARED_MAX
from careers_users.extensions import db
from careers_users.models import Follow, User, UserCounters
from careers_users.post_events.queries import authors
from tests import pgbouncer
from tests.api import Api
from tests.statements import listened_to

PEOPLE = Query(
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
    .where(User.username.in_(bindparam(n, type_=String()) for n in ("one", "other")))
    .where(User.username != "100% nobody's")
    .order_by(User.id.desc())
    .limit(bindparam("size", type_=Integer()))
)
VALUES = {
    "since": datetime(2020, 1, 1, tzinfo=UTC),
    "one": "alice",
    "other": "bob",
    "size": 5,
}


def test_both_ways_find_the_same(api: Api, app: Flask) -> None:
    alice, bob = (
        api.register("alice"),
        api.register("bob", avatar="https://a.example/b"),
    )
    api.post("follow/", {"following": bob.id}, token=alice.access)

    with app.app_context():
        quick = PEOPLE.all(**VALUES)
    with app.app_context(), listened_to(app) as seen:
        usual = PEOPLE.all(**VALUES)

    assert len(seen) == 1
    assert [*map(dict, quick)] == [*map(dict, usual)]
    assert [(row["username"], row["is_following_any"]) for row in quick] == [
        ("bob", False),
        ("alice", True),
    ]
    assert quick[0]["created_at"].utcoffset() == datetime.now(UTC).utcoffset()
    assert quick[0]["is_active"] is True
    assert quick[0]["total"] == 2


def test_a_parameter_without_a_type_is_refused(app: Flask) -> None:
    # In a list the column does not say it, and the driver would do as it likes.
    statement = select(User.id).where(User.created_at.in_([bindparam("moment")]))
    with app.app_context(), pytest.raises(AssertionError, match=r"\['moment'\]"):
        Query(statement).all(moment=datetime.now(UTC))


def test_nothing_found_is_no_row(app: Flask) -> None:
    with app.app_context():
        assert Query(select(User.id).where(false())).all() == []
        assert Query(select(User.id).where(User.id == 5)).one() is None


def test_a_parameter_that_misses_is_an_error(app: Flask) -> None:
    with app.app_context(), pytest.raises(KeyError):
        PEOPLE.all(since=VALUES["since"], one="", size=1)


def test_a_failure_is_sqlalchemys_and_shows_no_values(app: Flask) -> None:
    missing = table("no_such_table", column("secret"))
    statement = select(missing.c.secret).where(
        missing.c.secret == bindparam("value", type_=String())
    )
    with app.app_context():
        with pytest.raises(DBAPIError) as caught:
            Query(statement).all(value="hush")
        assert errors.is_trouble(caught.value)
        assert "no_such_table" in str(caught.value)
        assert "hush" not in str(caught.value)
        assert not caught.value.connection_invalidated
        # The connection went back to the pool, and is fit to be used again.
        for _ in range(20):
            assert Query(select(func.count().label("number"))).one() is not None


def test_killed_connections_are_replaced(app: Flask, database_kind: str) -> None:
    if database_kind == "sqlite":
        pytest.skip("an SQLite connection has nobody at its other end")
    if pgbouncer.IS_ASKED_FOR:
        pytest.skip("the connections that can be killed are PgBouncer's own")
    mine = Query(select(func.pg_backend_pid().label("pid")))
    with app.app_context():
        # Several at once, so that the pool keeps several, and all of them die.
        with ExitStack() as stack:
            held = [stack.enter_context(database.reader().connect()) for _ in range(4)]
            pids = [
                connection.execute(mine.statement).scalar_one() for connection in held
            ]
        url = db.engine.url.set(drivername="postgresql").render_as_string(False)
        with psycopg.connect(url, autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(n) FROM unnest(%s) n", [pids])
        for _ in range(5):
            row = mine.one()
            assert row is not None
            assert row["pid"] not in pids


# ------------------------------------------------------------------ what is prepared


_PREPARED = Query(
    select(column("statement", String())).select_from(table("pg_prepared_statements"))
)


def prepared_now() -> list[str]:
    """Return the statements that the server has prepared on the connection of reads."""
    rows = _PREPARED.all()
    return [row["statement"] for row in rows]


def test_a_statement_is_prepared_once(app: Flask, database_kind: str) -> None:
    if database_kind == "sqlite":
        pytest.skip("SQLite has no server that could know it")
    with app.app_context():
        for user_id in (1, 2**40, 3):  # psycopg would say three types.
            PEOPLE.all(**VALUES | {"size": user_id % 7})
        found = [text for text in prepared_now() if "OVER ()" in text]
    assert len(found) == (0 if pgbouncer.IS_ASKED_FOR else 1)


@pytest.fixture
def on_the_same_connection(app: Flask, database_kind: str) -> Iterator[Any]:
    """Yield a function that has a command run where reads are made."""
    if database_kind == "sqlite" or pgbouncer.IS_ASKED_FOR:
        pytest.skip("nothing is prepared")
    with app.app_context():

        def run(command: str) -> None:
            with database.reader().connect() as connection:
                connection.exec_driver_sql(command)

        yield run


def test_a_statement_that_the_server_has_forgotten_is_prepared_anew(
    on_the_same_connection: Callable[[str], None],
) -> None:
    simple = Query(select(User.id).where(User.username == bindparam("name")))
    assert simple.all(name="x") == []
    on_the_same_connection("DEALLOCATE ALL")
    assert simple.all(name="x") == []


def test_a_statement_of_another_type_now_is_prepared_anew(
    on_the_same_connection: Callable[[str], None],
) -> None:
    things = Query(select(table("things", column("name", String())).c.name))
    on_the_same_connection("CREATE TABLE things (name integer)")
    assert things.all() == []
    on_the_same_connection("ALTER TABLE things ALTER COLUMN name TYPE text")
    assert things.all() == []


IDS = Query(select(User.id))
NAMES = Query(select(User.username))


def test_in_a_transaction_that_ends_it_once(
    on_the_same_connection: Callable[[str], None],
) -> None:
    def ask() -> int:
        with database.transaction() as transaction:
            transaction.execute(NAMES)
            return len(transaction.execute(IDS))

    assert ask() == 0
    on_the_same_connection("DEALLOCATE ALL")
    with pytest.raises(DBAPIError):
        ask()
    assert ask() == 0


def test_nothing_is_a_value_too(app: Flask) -> None:
    value: BindParameter[str | None] = bindparam("value", type_=String())
    given = Query(select(value.label("given"), value.is_(None).label("is_nothing")))
    with app.app_context():
        for value_, is_nothing in (("a", False), (None, True), ("b", False)):
            row = given.one(value=value_)
            assert row == {"given": value_, "is_nothing": is_nothing}


def test_numbers_in_a_list_may_become_larger(api: Api, app: Flask) -> None:
    """Psycopg takes a list for one of the smallest type that its first numbers fit."""
    alice = api.register("alice")
    with app.app_context():
        for numbers in ([], [alice.id], [40_000, alice.id], [2**40, alice.id]):
            expected = {alice.id, "alice"} if numbers else set()
            assert authors(numbers).keys() == expected
        assert authors(["alice"]).keys() == {alice.id, "alice"}


def test_more_statements_than_are_prepared(app: Flask, database_kind: str) -> None:
    with app.app_context():
        for number in range(PREPARED_MAX + 5):
            one: ColumnElement[int] = literal_column(str(number))
            statement = select(one.label("number"))
            assert Query(statement).all() == [{"number": number}]
        if database_kind == "postgresql" and not pgbouncer.IS_ASKED_FOR:
            assert len(prepared_now()) == PREPARED_MAX


def test_usual_sizes() -> None:
    sizes = [room_for(size) for size in (1, 10, 11, 20, 21, 50, 51, 100)]
    assert sizes == [10, 10, 20, 20, 50, 50, 100, 100]
