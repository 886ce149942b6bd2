"""What tests of mail share: a post office, and an application that sends there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from careers_users import create_app
from careers_users.extensions import db
from config import TestConfig
from tests.mail import post_office
from tests.mail.post_office import PostOffice
from tests.mail.written import COMPOSERS, FROM, LINK_URL, register


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the post office."""
    return post_office.make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the certificate trusted, as an operator does with an authority's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


@pytest.fixture
def office(trusted: Path) -> Iterator[PostOffice]:
    """A mail server that wants STARTTLS."""
    with PostOffice(trusted) as office:
        yield office


@pytest.fixture
def mailing(settings: TestConfig, office: PostOffice) -> Iterator[Flask]:
    """An application that sends its mail to the post office."""
    with_mail = replace(settings, mail=office.url, mail_from=FROM, link_url=LINK_URL)
    app = create_app(with_mail)
    register(app, COMPOSERS)
    yield app
    with app.app_context():
        db.engine.dispose()
