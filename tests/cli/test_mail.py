"""The commands careers-users mail."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from careers_users import create_app
from config import TestConfig
from tests.auth.stored import NOON, set_clock
from tests.cli.command import done, refused
from tests.mail.conftest import certificate, mailing, make, office, trusted
from tests.mail.post_office import PostOffice
from tests.mail.written import ANN, DAY, put, register, row, send

# Fixtures.
__all__ = ["certificate", "mailing", "make", "office", "trusted"]


def test_mail_is_listed_without_addresses(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    office.replies["RCPT"] = ["450 4.2.0 Greylisted"]
    put(mailing, "reset", user_id=7)
    send(mailing)
    put(mailing, "deletion", address="old@example.com")
    said = done(mailing, "mail", "list")
    assert said.splitlines() == [
        "2        waiting  deletion          2031-05-17 12:00:00, no user, 0 tries",
        "1        waiting  reset             2031-05-17 12:00:00, user 7, 1 try, "
        "recipient 450, next 2031-05-17 12:01:00",
    ]
    [newest] = json.loads(done(mailing, "mail", "list", "--json", "--limit", "1"))
    assert (newest["id"], newest["state"]) == (2, "waiting")
    assert newest["created_at"] == "2031-05-17T12:00:00Z"
    assert "address" not in newest
    assert done(mailing, "mail", "list", "--state", "sent") == ""


def test_mail_is_tried_again_when_asked(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    office.replies["RCPT"] = ["550 5.1.1 Unknown", "450 4.2.0 Greylisted", "550 No"]
    failed, waits, other = put(mailing), put(mailing), put(mailing)
    send(mailing)
    assert [row(mailing, n)["state"] for n in (failed, waits)] == ["failed", "waiting"]
    said = done(mailing, "mail", "retry", str(failed), str(waits))
    assert said == "2 to be tried again.\n"
    send(mailing)
    assert len(office.taken) == 2
    assert done(mailing, "mail", "retry", "--failed") == "1 to be tried again.\n"
    send(mailing)
    assert row(mailing, other)["state"] == "sent"


def test_mail_that_cannot_be_tried_again(
    mailing: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    register(mailing, {"reset": lambda _: None})
    dropped, expired = put(mailing, "reset"), put(mailing, ends_after=DAY)
    send(mailing)
    set_clock(monkeypatch, NOON + timedelta(days=2))
    result = mailing.test_cli_runner().invoke(
        args=["mail", "retry", str(dropped), str(expired), "77"]
    )
    assert result.exit_code == 1
    assert result.stdout == "0 to be tried again.\n"
    assert "3 can't be: unknown, sent, dropped, expired" in result.stderr
    assert "Name NUMBERs or --failed" in refused(mailing, "mail", "retry", code=2)
    both = refused(mailing, "mail", "retry", "1", "--failed", code=2)
    assert "Name NUMBERs or --failed" in both


def test_a_test_mail_is_sent_at_once(mailing: Flask, office: PostOffice) -> None:
    said = done(mailing, "mail", "test", ANN)
    [mail] = office.mails_to(ANN)
    assert said == f"The mail {mail['Message-ID']} was taken by the mail server.\n"
    assert mail["Subject"] == "A test of mail"
    office.replies["AUTH"] = ["535 5.7.8 No"] * 2
    said = refused(mailing, "mail", "test", ANN)
    assert "The mail was not taken (login 535); docs/mail.md" in said
    said = refused(mailing, "mail", "test", "ann", code=2)
    assert "ann is not an e-mail address" in said


def test_no_test_where_mail_is_off(app: Flask) -> None:
    said = refused(app, "mail", "test", ANN, code=78)
    assert said == "careers-users: CAREERS_USERS_MAIL is off.\n"


def test_a_mail_is_previewed(app: Flask, settings: TestConfig, tmp_path: Path) -> None:
    said = done(app, "mail", "preview", "reset")
    assert said.startswith("From: Careers <careers@localhost>\nTo: ada@example.com\n")
    assert "Subject: Choose a new password\n" in said
    assert "/email/confirm/#purpose=reset&token=TOKEN\n" in said
    assert done(app, "mail", "preview", "reset", "--html").startswith("<!doctype html>")
    said = refused(app, "mail", "preview", "reset", "--locale", "fr", code=2)
    assert "CAREERS_USERS_LOCALES does not name fr, but en." in said
    wrong = create_app(replace(settings, mail_templates=tmp_path / "none"))
    said = refused(wrong, "mail", "preview", "reset", code=78)
    assert "There is no directory" in said
