"""Users for the tests of lists."""

import pytest

from tests.api import Account, Api


@pytest.fixture
def others(api: Api) -> list[Account]:
    """Six users."""
    return [api.register(f"user_{number}") for number in range(1, 7)]
