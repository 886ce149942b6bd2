"""The outbox: rows of the transaction that they tell of, with nothing to steal."""

from datetime import timedelta

import pytest
from flask import Flask

from careers_users import database
from careers_users.mail import outbox
from tests.auth.stored import NOON, set_clock
from tests.jobs.run import run_jobs
from tests.live_server import ask
from tests.mail.conftest import Make
from tests.mail.written import DAY, put, row, send


def test_a_mail_is_one_statement_of_the_transaction(mailing: Flask) -> None:
    seen: list[str] = []
    observers = database.observers(mailing)
    with mailing.app_context(), database.transaction() as transaction:
        observers.append(lambda text, _: seen.append(text))
        outbox.put(transaction, "reset", user_id=3, locale="en", ends_after=DAY)
        observers.pop()
    mails = [text for text in seen if "mails" in text]
    assert len(mails) <= 1, "with pipelines it is sent with the commit"
    assert row(mailing, 1)["purpose"] == "reset"


def test_a_mail_that_is_rolled_back_is_none(mailing: Flask) -> None:
    def fail() -> None:
        with database.transaction() as transaction:
            outbox.put(transaction, "reset", user_id=3, locale="en", ends_after=DAY)
            raise ZeroDivisionError

    with mailing.app_context(), pytest.raises(ZeroDivisionError):
        fail()
    assert put(mailing) <= 2
    send(mailing)
    url = mailing.config["SQLALCHEMY_DATABASE_URI"]
    assert ask(url, "SELECT purpose FROM mails") == [("verify",)]


def test_no_statement_where_mail_is_off(app: Flask) -> None:
    seen: list[str] = []
    with app.app_context():
        assert not outbox.is_on()
        with database.transaction() as transaction:
            database.observers(app).append(lambda text, _: seen.append(text))
            outbox.put(transaction, "reset", user_id=3, locale="en", ends_after=DAY)
            database.observers(app).pop()
    assert seen == []


def test_a_row_holds_no_address_token_or_text(
    mailing: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    number = put(mailing, "reset", user_id=3, asked="f" * 64)
    send(mailing)
    assert row(mailing, number) == {
        "id": number,
        "purpose": "reset",
        "user_id": 3,
        "locale": "en",
        "asked": "f" * 64,
        "address": None,
        "created_at": NOON,
        "next_try_at": NOON,
        "ends_at": NOON + DAY,
        "tries": 1,
        "leased_until": None,
        "state": "sent",
        "done_at": NOON,
        "error": None,
        "used_at": None,
        "voided_at": None,
    }


def test_an_address_that_is_no_longer_stored_is_kept_until_the_mail_is_sent(
    mailing: Flask,
) -> None:
    number = put(mailing, "deletion", user_id=3, address="old@example.com")
    assert row(mailing, number)["address"] == "old@example.com"
    send(mailing)
    assert row(mailing, number)["address"] is None


def test_rows_are_deleted_after_thirty_days(
    mailing: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    put(mailing)
    set_clock(monkeypatch, NOON + timedelta(days=30))
    assert run_jobs(mailing, "old-mail") == 0
    set_clock(monkeypatch, NOON + timedelta(days=30, seconds=1))
    assert run_jobs(mailing, "old-mail") == 1


def test_the_languages_are_those_of_the_settings(make: Make) -> None:
    app = make(locales=("de", "en"))
    with app.app_context():
        assert outbox.locales() == ("de", "en")
