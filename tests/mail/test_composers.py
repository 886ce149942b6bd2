"""Composers decide about mail when it is sent; the log names no address."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from careers_users import database
from careers_users.mail.outbox import Letter, MailRow
from tests.api import Api
from tests.auth.stored import NOON, set_clock
from tests.live_server import ask
from tests.mail.post_office import PostOffice
from tests.mail.written import ANN, COMPOSERS, put, register, row, send

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _noon(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Once the database has been made: its migrations write the time.
    del database_url
    set_clock(monkeypatch, NOON)


def test_a_composer_decides_that_nothing_is_sent(
    mailing: Flask, office: PostOffice
) -> None:
    register(mailing, {"reset": lambda _: None})
    number = put(mailing, "reset")
    send(mailing)
    assert row(mailing, number)["state"] == "dropped"
    assert office.conversations == []


def test_a_composer_that_fails_is_asked_again(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: MailRow) -> Letter:
        raise OperationalError("SELECT", {}, Exception("gone"))

    register(mailing, {"verify": fails})  # And none for the others.
    known, unknown = put(mailing, "verify"), put(mailing, "reset")
    send(mailing)
    for number in (known, unknown):
        found = row(mailing, number)
        assert (found["state"], found["error"]) == ("waiting", "composer")
    register(mailing, COMPOSERS)
    set_clock(monkeypatch, NOON + MINUTE)
    send(mailing)
    assert len(office.taken) == 2


@pytest.mark.parametrize(
    "letter",
    [
        Letter("ann@example.com\r\nBcc: eve@example.com", {"hours": "1"}, "token"),
        Letter("Ann <ann@example.com>", {"hours": "1"}, "token"),
        Letter("ann@example.com", {}, "token"),
        Letter("ann@example.com", {"hours": "1"}, None),
    ],
    ids=["line break", "name", "no value", "no token"],
)
def test_a_letter_with_a_fault_is_not_sent(
    mailing: Flask, office: PostOffice, letter: Letter, caplog: pytest.LogCaptureFixture
) -> None:
    register(mailing, {"verify": lambda _: letter})
    number = put(mailing, "verify")
    send(mailing)
    found = row(mailing, number)
    assert (found["state"], found["error"]) == ("failed", "message")
    assert office.conversations == []
    assert "example.com" not in caplog.text


def test_an_account_tells_that_its_address_takes_no_mail(
    mailing: Flask, office: PostOffice
) -> None:
    user_id = Api(mailing).register("ann").id
    url = mailing.config["SQLALCHEMY_DATABASE_URI"]
    noted = "SELECT mail_failed_at IS NOT NULL FROM users"
    office.replies["RCPT"] = ["550 5.1.1 No such user"]
    put(mailing, user_id=user_id)
    send(mailing)
    assert [bool(failed) for (failed,) in ask(url, noted)] == [True]
    put(mailing, user_id=user_id)
    send(mailing)
    assert [bool(failed) for (failed,) in ask(url, noted)] == [False]

    register(
        mailing, {"verify": lambda row: Letter("old@example.com", {"hours": "1"}, "t")}
    )
    office.replies["RCPT"] = ["550 5.1.1 No such user"]
    put(mailing, user_id=user_id)
    send(mailing)
    assert [bool(failed) for (failed,) in ask(url, noted)] == [False]


def test_the_log_and_the_outbox_name_no_address(
    mailing: Flask, office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    office.replies["RCPT"] = [f"550 5.1.1 <{ANN}> unknown, token-1"]
    number = put(mailing)
    caplog.set_level("DEBUG", logger="careers_users")
    with caplog.at_level("WARNING", logger="mail.log"):  # The post office's own.
        send(mailing)
        put(mailing)
        send(mailing)
    assert "Mail 1 (verify), try 1: failed: recipient 550" in caplog.text
    assert ANN not in caplog.text
    assert "token-" not in caplog.text
    assert "unknown" not in str(row(mailing, number))
    assert database.observers(mailing) == []
