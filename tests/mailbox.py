"""Mail as the service writes it into files, and the links in it."""

import email
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import parse_qs

import pytest
from flask import Flask
from sqlalchemy import RowMapping, select

from careers_users import create_app
from careers_users.extensions import db
from careers_users.mail.sender import Sender
from careers_users.models import Mail
from config import TestConfig
from tests.api import Account, Api

# All that mail turns on.
EVERYTHING: dict[str, Any] = {
    "mail": "file",
    "email_verification": "optional",
    "email_change": "confirm",
}


@dataclass(frozen=True)
class Received:
    """A mail that has come."""

    to: str
    purpose: str
    subject: str
    text: str

    @property
    def token(self) -> str:
        """Return the token of its link, of which there is one."""
        (link,) = [word for word in self.text.split() if "#" in word]
        return parse_qs(link.partition("#")[2])["token"][0]


class Mailbox:
    """The mail of an application, sent when a test asks for it."""

    def __init__(self, app: Flask, directory: Path) -> None:
        self._app, self._directory = app, directory
        self._read: set[Path] = set()

    def fetch(self) -> list[Received]:
        """Send what is due; return what has come since the last time, oldest first."""
        Sender(self._app, Event()).send_due()
        paths = sorted(set(self._directory.glob("*.eml")) - self._read)
        self._read |= set(paths)
        return [parsed(path) for path in paths]

    def one(self, purpose: str) -> Received:
        """Send what is due; return the only mail, which has this purpose."""
        (mail,) = self.fetch()
        assert mail.purpose == purpose
        return mail

    def rows(self) -> Sequence[RowMapping]:
        """Return the rows of the outbox, oldest first."""
        statement = select(*Mail.__table__.c).order_by(Mail.id)
        with self._app.app_context(), db.engine.connect() as connection:
            return connection.execute(statement).mappings().all()


def parsed(path: Path) -> Received:
    message = email.message_from_bytes(path.read_bytes(), policy=default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    assert body is not None
    return Received(
        to=message["To"],
        purpose=path.stem.split("-", 2)[2],
        subject=message["Subject"],
        text=body.get_content(),
    )


def make(settings: TestConfig, tmp_path: Path, **options: Any) -> Flask:
    """Return an application that writes mail into files; all of it is on by default."""
    values = {**EVERYTHING, "data_dir": tmp_path, **options}
    return create_app(replace(settings, **values))


def close(app: Flask) -> None:
    """Give the connections of an application back."""
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app_with_mail(settings: TestConfig, tmp_path: Path) -> Iterator[Flask]:
    """Make an application with all that mail turns on."""
    app = make(settings, tmp_path)
    yield app
    close(app)


@pytest.fixture
def mails(app_with_mail: Flask, tmp_path: Path) -> Mailbox:
    """Return the mail of that application."""
    return Mailbox(app_with_mail, tmp_path / "mail")


@pytest.fixture
def mail_api(app_with_mail: Flask) -> Api:
    """Return a client of that application."""
    return Api(app_with_mail)


def verified(api: Api, mails: Mailbox, name: str) -> Account:
    """Register a user, and verify the address."""
    account = api.register(name)
    reply = api.post("email/verify/", {"token": mails.one("verify").token})
    assert reply.status_code == 200
    return account
