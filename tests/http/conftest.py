"""A user for the tests of requests."""

import pytest

from tests.api import Account, Api


@pytest.fixture
def alice(api: Api) -> Account:
    """Return a user whose path all routes with a name are tried with."""
    return api.register("alice")
