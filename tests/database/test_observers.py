"""Observers are told of every statement, whichever way it goes."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import bindparam, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from careers_users import create_app, database
from careers_users.extensions import db
from config import TestConfig
from tests.api import Api
from tests.statements import NUMBERS, listened_to

_name = NUMBERS.c.name
NAMES = database.Query(select(_name).where(_name == bindparam("name")))
ADD = database.Query(
    insert(NUMBERS).values(name=bindparam("name"), value=bindparam("value"))
)


def write() -> None:
    """Run three statements in one transaction."""
    with database.transaction() as transaction:
        transaction.defer(ADD, name="one", value=1)
        transaction.defer(ADD, name="two", value=2)
        transaction.execute(NAMES, name="one")


def ask_the_session() -> None:
    """Run a statement in the ORM's session."""
    with db.session.begin():
        db.session.execute(select(NUMBERS.c.name))


CASES: list[tuple[Callable[[], object], list[str]]] = [
    (lambda: NAMES.one(name="users"), ["SELECT totals.name"]),
    (
        lambda: database.fetch(select(func.count(_name))),
        ["SELECT count(totals"],
    ),
    (write, ["BEGIN", "INSERT INTO totals", "INSERT INTO totals", "SELECT totals"]),
    (ask_the_session, ["BEGIN", "SELECT totals.name"]),
]


@pytest.mark.parametrize(("run", "expected"), CASES)
@pytest.mark.parametrize("is_listened_to", [False, True])
def test_both_ways_tell_the_same(
    app: Flask,
    run: Callable[[], object],
    expected: list[str],
    is_listened_to: bool,
) -> None:
    told: list[tuple[str, float]] = []
    database.observers(app).append(lambda *statement: told.append(statement))
    with app.app_context():
        NAMES.one(name="users")  # The first connection says more.
        told.clear()
        if is_listened_to:
            with listened_to(app) as heard:
                run()
            assert len(heard) == len(expected)
        else:
            run()
    texts = [text for text, _ in told if text != "COMMIT"]
    assert len(texts) == len(expected), texts
    for found, beginning in zip(texts, expected, strict=True):
        assert found.startswith(beginning)
    assert all(seconds >= 0 for _, seconds in told)
    assert sum(seconds for _, seconds in told) > 0


def test_a_failure_is_told_too(app: Flask) -> None:
    told: list[str] = []
    database.observers(app).append(lambda sql, _: told.append(sql))
    with app.app_context(), pytest.raises(SQLAlchemyError):
        database.fetch(text("SELECT no_such_column FROM totals"))
    assert told[-1].startswith("SELECT no_such_column")


def test_a_client_that_has_gone_is_told_no_more(api: Api) -> None:
    told: list[str] = []

    def observe(sql: str, _seconds: float) -> None:
        told.append(sql)

    database.observers(api.app).append(observe)
    api.register("alice")
    assert any(sql.startswith("INSERT INTO users") for sql in told)
    database.observers(api.app).remove(observe)
    told.clear()
    assert api.get("alice/").status_code == 200
    assert told == []


def test_the_level_debug_writes_statements_without_values(
    settings: TestConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "careers_users.database")
    for level, is_written in (("INFO", False), ("DEBUG", True)):
        app = create_app(replace(settings, log_level=level))
        caplog.clear()
        with app.app_context():
            NAMES.one(name="hush")
            db.engine.dispose()
        assert ("SELECT totals.name" in caplog.text) is is_written
        assert "hush" not in caplog.text
