"""Checks, readiness and metrics of mail."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask

from careers_users.mail.sender import Sender
from careers_users.observability import mail_checks
from config import TestConfig
from tests.auth.stored import NOON, set_clock
from tests.live_server import until
from tests.mail.conftest import Make, certificate, mailing, make, office, trusted
from tests.mail.post_office import PostOffice
from tests.mail.written import put, send
from tests.observability.scraped import samples

# Fixtures.
__all__ = ["certificate", "mailing", "make", "office", "trusted"]


def warnings(app: Flask) -> list[str]:
    """Return the warnings of readiness that are about mail."""
    reply: Any = app.test_client().get("/health/ready").json
    return [text for text in reply.get("warnings", []) if "mail" in text.lower()]


def test_readiness_warns_of_mail_that_is_refused(
    mailing: Flask, office: PostOffice
) -> None:
    """In the same words however much waits: a reset must not show there."""
    assert warnings(mailing) == []
    for _ in range(2):
        put(mailing)
        office.replies["AUTH"] = ["535 5.7.8 No"] * 2
        send(mailing)
        said = ["Mail waits for another try; the last try failed: login 535."]
        assert warnings(mailing) == said
    with mailing.app_context():
        found = mail_checks.outbox(mailing)
    assert (found.name, found.state) == ("outbox", "warning")


def test_readiness_warns_if_no_process_sends_mail(
    mailing: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    put(mailing)
    set_clock(monkeypatch, NOON + timedelta(seconds=60))
    said = "No process sends mail (1 waiting)."
    assert said not in warnings(mailing)
    set_clock(monkeypatch, NOON + timedelta(seconds=61))
    assert said in warnings(mailing)


def test_the_check_of_the_mail_server(mailing: Flask, office: PostOffice) -> None:
    settings = mailing.extensions["careers_users.mail"].settings
    found = mail_checks.mail(settings)
    where = f"127.0.0.1:{office.port}"
    assert (found.state, found.message) == (
        "ok",
        f"The mail server {where} takes our mail.",
    )
    assert office.taken == []
    office.replies["AUTH"] = ["535 5.7.8 No"] * 2
    found = mail_checks.mail(settings)
    assert found.state == "warning"
    assert found.message == f"The mail server {where} can't be used (login 535)."


def test_the_check_of_other_settings(settings: TestConfig, tmp_path: Path) -> None:
    assert mail_checks.mail(settings).state == "ok"
    files = replace(settings, mail="file", data_dir=tmp_path)
    found = mail_checks.mail(files)
    assert found.state == "warning"
    assert found.message == f"Mail is written into {tmp_path / 'mail'} and reaches " + (
        "no recipient."
    )
    assert mail_checks.mail(replace(files, embedded=True)).state == "ok"
    found = mail_checks.mail(replace(files, mail_templates=tmp_path / "none"))
    assert (found.state, "There is no directory" in found.message) == ("error", True)


def test_mail_is_counted(
    make: Make, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("careers_users.mail.sender.POLL_SECONDS", 0.02)
    monkeypatch.setattr("careers_users.mail.sender.COUNT_SECONDS", 0)
    app = make(mail=office.url, metrics=True)

    def numbers() -> Any:
        return samples(app.test_client().get("/metrics").get_data(as_text=True))

    tries = "careers_users_mails_total"
    assert numbers()[tries]["sent", "reset"] == 0
    office.replies["RCPT"] = ["250 OK", "550 5.1.1 No", "450 4.2.0 Not now"]
    for _ in range(3):  # Which is first is open.
        put(app, "verify")
    stop = Event()
    sender = Sender(app, stop)
    sender.start()
    until(lambda: numbers()["careers_users_mails_waiting"].get(()) == 1)
    until(lambda: numbers()[tries]["retried", "verify"] == 1)
    stop.set()
    sender.join()
    found = numbers()
    assert found[tries]["sent", "verify"] == 1
    assert found[tries]["failed", "verify"] == 1
    assert found["careers_users_mail_oldest_seconds"][()] >= 0
