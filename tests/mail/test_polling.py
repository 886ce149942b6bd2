"""Looking for mail: how often, and by which index."""

import re

import pytest
from flask import Flask
from sqlalchemy import Connection, text

from careers_users import database
from careers_users.extensions import db
from careers_users.mail import rows, sender, smtp
from careers_users.mail.rows import LEASE_SECONDS
from tests.live_server import ask
from tests.mail.written import put


def test_the_first_try_comes_within_two_seconds() -> None:
    # As long as a thread is free; the rest is for the claim.
    assert sender.POLL_SECONDS <= 1


def test_a_conversation_is_shorter_than_its_lease() -> None:
    assert smtp.WHOLE_SECONDS + smtp.STEP_SECONDS < LEASE_SECONDS / 2


@pytest.mark.parametrize("call", [rows.is_due, rows.claim])
def test_mail_is_found_by_its_index(mailing: Flask, call: object) -> None:
    put(mailing)
    url = mailing.config["SQLALCHEMY_DATABASE_URI"]
    ask(url, "UPDATE mails SET state = 'sent'")  # A claim that finds nothing.
    seen: list[str] = []
    assert callable(call)
    with mailing.app_context():
        database.observers(mailing).append(lambda sql, _: seen.append(sql))
        call()
        database.observers(mailing).pop()
        [statement] = [sql for sql in seen if "mails" in sql]
        with db.engine.connect() as connection:
            assert "ix_mails_waiting" in plan_of(connection, statement)


def plan_of(connection: Connection, statement: str) -> str:
    """Return the plan of a statement; its values are times, but for one number."""
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", ("2026-01-01",) * statement.count("?")
        )
    else:
        statement = re.sub(r"\$\d+::INTEGER", "1", statement)
        statement = re.sub(r"\$\d+", "'2026-01-01'", statement)
        # A table of one row is read whole otherwise.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        found = connection.execute(text(f"EXPLAIN {statement}".replace(":", r"\:")))
    return str(found.all())
