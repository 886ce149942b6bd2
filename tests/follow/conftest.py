"""Users for the tests of lists."""

import pytest

from tests.api import Account, Api


@pytest.fixture
def others(api: Api) -> list[Account]:
    """Six users."""
    return [api.register(f"user_{number}") for number in range(1, 7)]


@pytest.fixture
def people(api: Api) -> dict[str, Account]:
    """Register users, of whom O follows some and is followed."""
    names = ("viewer", "other", "fan", "star", "idle")
    people = {name: api.register(name, bio="a person of UX") for name in names}
    for follower, followed in (
        ("fan", "other"),
        ("fan", "star"),
        ("other", "star"),
        ("viewer", "star"),
        ("other", "fan"),
        ("viewer", "fan"),
    ):
        api.put(f"{followed}/follow/", token=people[follower].access)
    return people
