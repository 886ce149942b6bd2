"""Applications of which tests choose the limits, or how addresses change."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from careers_users import create_app
from careers_users.extensions import db
from careers_users.settings.rates import Rate
from config import TestConfig
from tests import mailbox
from tests.api import Api

NAMES = (
    "login login_address login_username login_success register refresh password follow"
).split()
Make = Callable[..., Api]


@pytest.fixture
def throttled(settings: TestConfig) -> Any:
    """Make a client of an application in which only the limits given are set."""
    made: list[Flask] = []

    def make(**limits: Rate) -> Api:
        values = {f"ratelimit_{name}": limits.get(name) for name in NAMES}
        app = create_app(replace(settings, ratelimit_enabled=True, **values))  # type: ignore[arg-type]
        made.append(app)
        return Api(app)

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def direct(settings: TestConfig, tmp_path: Path) -> Iterator[Flask]:
    """Make an application with mail whose addresses change at once."""
    app = mailbox.make(settings, tmp_path, email_change="direct")
    yield app
    mailbox.close(app)
