"""Fixtures of mail: a post office, and an application that sends there."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from careers_users import create_app
from careers_users.extensions import db
from config import TestConfig
from tests.mail import post_office
from tests.mail.post_office import PostOffice
from tests.mail.written import COMPOSERS, FROM, LINK_URL, register

Make = Callable[..., Flask]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for the post office."""
    return post_office.make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the certificate trusted, as an operator does with an authority's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


@pytest.fixture
def office(trusted: Path) -> Iterator[PostOffice]:
    """Run a mail server that wants STARTTLS."""
    with PostOffice(trusted) as office:
        yield office


@pytest.fixture
def make(settings: TestConfig) -> Iterator[Make]:
    """Give a function that makes an application with these changes of settings."""
    made = []

    def make(**changes: Any) -> Flask:
        known = {"mail_from": FROM, "link_url": LINK_URL}
        app = create_app(replace(settings, **{**known, **changes}))
        register(app, COMPOSERS)
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def mailing(make: Make, office: PostOffice) -> Flask:
    """Make an application that sends its mail to the post office."""
    return make(mail=office.url)
