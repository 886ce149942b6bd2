"""Transactions in the quick way: all or nothing, and SQLAlchemy's failures."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import (
    ColumnElement,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from careers_users import database
from careers_users.auth.throttle import RateLimited
from careers_users.database import Query, errors
from careers_users.database.libpq import PREPARED_MAX
from careers_users.extensions import db
from tests import pgbouncer
from tests.statements import NUMBERS, listened_to

ADD = Query(
    insert(NUMBERS)
    .values(name=bindparam("name"), value=bindparam("value"))
    .returning(NUMBERS.c.name, NUMBERS.c.value)
)
RAISE = Query(update(NUMBERS).where(NUMBERS.c.name == bindparam("who")).values(value=9))
ALL = Query(select(NUMBERS.c.name, NUMBERS.c.value).where(NUMBERS.c.name.like("test%")))


@pytest.fixture(params=["quick", "usual"])
def way(app: Flask, request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways of a transaction, in the application's context."""
    with app.app_context(), ExitStack() as stack:
        if request.param == "usual":
            stack.enter_context(listened_to(app))
        yield request.param


@pytest.mark.usefixtures("way")
def test_a_transaction_is_committed_in_the_end() -> None:
    with database.transaction() as transaction:
        added = transaction.execute(ADD, name="test", value=1)
        assert added == [{"name": "test", "value": 1}]
        assert transaction.execute(RAISE, who="test") == []
    assert ALL.all() == [{"name": "test", "value": 9}]


@pytest.mark.usefixtures("way")
def test_a_transaction_is_rolled_back_if_anything_fails() -> None:
    def begin_and_fail(error: Exception) -> None:
        with database.transaction() as transaction:
            transaction.execute(ADD, name="test", value=1)
            raise error

    for error in (ValueError("mine"), RateLimited()):
        with pytest.raises(type(error)):
            begin_and_fail(error)
        assert ALL.all() == []


@pytest.mark.usefixtures("way")
def test_a_violation_is_sqlalchemys_and_the_connection_goes_on() -> None:
    row: dict[str, Any] = {"name": "test", "value": 1}
    with database.transaction() as transaction:
        transaction.execute(ADD, **row)

    def add_again() -> None:
        with database.transaction() as transaction:
            transaction.execute(RAISE, who="test")
            transaction.execute(ADD, **row)

    for _ in range(3):
        with pytest.raises(IntegrityError):
            add_again()
        assert ALL.all() == [row]


@pytest.mark.usefixtures("way")
def test_deferred_statements_are_done_in_their_order() -> None:
    row: dict[str, Any] = {"name": "test", "value": 1}
    with database.transaction() as transaction:
        transaction.defer(ADD, **row)
        transaction.defer(RAISE, who="test")
        assert transaction.execute(ALL) == [{"name": "test", "value": 9}]
        transaction.defer(ADD, name="test too", value=2)
    assert [found["value"] for found in ALL.all()] == [9, 2]


@pytest.mark.usefixtures("way")
def test_a_deferred_statement_fails_by_the_end_and_takes_all_with_it() -> None:
    row: dict[str, Any] = {"name": "test", "value": 1}
    with database.transaction() as transaction:
        transaction.defer(ADD, **row)

    def add_again(*, looks: bool) -> None:
        with database.transaction() as transaction:
            transaction.defer(ADD, name="test too", value=2)
            transaction.defer(ADD, **row)
            transaction.defer(RAISE, who="test")
            if looks:
                transaction.execute(ALL)

    for looks in (False, True) * 2:
        with pytest.raises(IntegrityError):
            add_again(looks=looks)
        assert ALL.all() == [row]


@pytest.mark.usefixtures("way")
def test_a_deferred_statement_is_not_done_if_the_block_fails() -> None:
    def defer_and_fail() -> None:
        with database.transaction() as transaction:
            transaction.defer(ADD, name="test", value=1)
            raise RateLimited

    with pytest.raises(RateLimited):
        defer_and_fail()
    assert ALL.all() == []


@pytest.mark.usefixtures("way")
def test_more_statements_than_are_kept_prepared_can_follow_each_other() -> None:
    with database.transaction() as transaction:
        transaction.defer(ADD, name="test", value=0)
    for number in range(PREPARED_MAX + 5):
        value: ColumnElement[int] = literal_column(str(number))  # Another text.
        other = Query(insert(NUMBERS).values(name=bindparam("name"), value=value))
        with database.transaction() as transaction:
            transaction.defer(RAISE, who="test")
            transaction.defer(other, name=f"test {number}")
    assert len(ALL.all()) == PREPARED_MAX + 6


def test_transactions_wait_for_each_other(app: Flask) -> None:
    """Two that add to one number: none is lost, on either database."""
    more = Query(
        update(NUMBERS)
        .where(NUMBERS.c.name == bindparam("who"))
        .values(value=NUMBERS.c.value + 1)
        .returning(NUMBERS.c.value)
    )
    with app.app_context(), database.transaction() as transaction:
        transaction.execute(ADD, name="test", value=0)

    def count() -> None:
        with app.app_context():
            for _ in range(25):
                with database.transaction() as transaction:
                    transaction.execute(more, who="test")

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(count) for _ in range(4)]:
            done.result(60)
    with app.app_context():
        assert ALL.all() == [{"name": "test", "value": 100}]


@pytest.mark.parametrize("defers", [False, True])
def test_a_transaction_whose_connection_dies_is_trouble(
    app: Flask, database_kind: str, defers: bool
) -> None:
    if database_kind == "sqlite":
        pytest.skip("an SQLite connection has nobody at its other end")
    if pgbouncer.IS_ASKED_FOR:
        pytest.skip("the connections that can be killed are PgBouncer's own")
    mine = Query(select(func.pg_backend_pid().label("pid")))
    pids = []

    def add_and_die() -> None:
        url = db.engine.url.set(drivername="postgresql").render_as_string(False)
        with database.transaction() as transaction:
            transaction.execute(ADD, name="test", value=1)
            pids.append(transaction.execute(mine)[0]["pid"])
            with psycopg.connect(url, autocommit=True) as killer:
                killer.execute("SELECT pg_terminate_backend(%s)", pids)
            if defers:
                transaction.defer(RAISE, who="test")

    with app.app_context():
        with pytest.raises(DBAPIError) as caught:
            add_and_die()
        assert errors.is_trouble(caught.value)
        assert caught.value.connection_invalidated
        assert ALL.all() == []
        row = mine.one()
        assert row is not None
        assert row["pid"] not in pids
