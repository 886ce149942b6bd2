"""The application with credentials for the service that owns posts."""

import pytest

from config import TestConfig
from tests.api import Account, Api
from tests.conftest import KEY
from tests.post_events.posts_service import TOKENS


@pytest.fixture
def settings(database_url: str) -> TestConfig:
    """Return the settings of the application under test."""
    return TestConfig(
        database_url=database_url, jwt_secret_key=KEY, events_tokens=TOKENS
    )


@pytest.fixture
def alice(api: Api) -> Account:
    """Return an author."""
    return api.register("alice")
