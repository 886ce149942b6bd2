"""Mail is in the language that the request asks for, among those there are."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from careers_users.mail.templates import BUILT_IN
from config import TestConfig
from tests import mailbox
from tests.api import Api
from tests.mailbox import Mailbox


@pytest.fixture
def polyglot(settings: TestConfig, tmp_path: Path) -> Iterator[Flask]:
    """Make an application that writes in two languages, English first."""
    theirs = tmp_path / "templates"
    shutil.copytree(BUILT_IN / "en", theirs / "pt-BR")
    for path in (theirs / "pt-BR").glob("*.txt"):
        text = path.read_text("utf-8").replace("Subject: ", "Subject: [pt-BR] ")
        path.write_text(text, "utf-8")
    app = mailbox.make(
        settings, tmp_path, mail_templates=theirs, locales=("en", "pt-BR")
    )
    yield app
    mailbox.close(app)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (None, "en"),
        ("", "en"),
        ("pt-BR, en;q=0.5", "pt-BR"),
        ("pt", "pt-BR"),
        ("de, fr;q=0.9", "en"),
        ("de, pt-BR;q=0.2", "pt-BR"),
        ("*", "en"),
        ("\u0130;q=x,,;;", "en"),
    ],
)
def test_mail_speaks_the_language_of_the_request(
    polyglot: Flask, tmp_path: Path, accepted: str | None, expected: str
) -> None:
    api, mails = Api(polyglot), Mailbox(polyglot, tmp_path / "mail")
    api.register("alice")
    mails.fetch()
    headers = {} if accepted is None else {"Accept-Language": accepted}
    api.post("password/reset/", {"username": "alice"}, headers=headers)
    subject = mails.one("reset").subject
    assert subject.startswith("[pt-BR]") == (expected == "pt-BR")
