"""Slots hold one service for each application."""

import pytest
from flask import Flask

from careers_users.extensions import Slot


def test_each_application_has_its_own_service() -> None:
    slot = Slot[str]("greeting")
    one, other = Flask("one"), Flask("other")
    slot.set(one, "hello")
    slot.set(other, "good day")
    assert (slot.get(one), slot.get(other)) == ("hello", "good day")
    with one.app_context():
        assert slot.get() == "hello"


def test_a_service_is_made_once_when_first_asked_for() -> None:
    made: list[Flask] = []

    def make(app: Flask) -> int:
        made.append(app)
        return len(made)

    slot, app = Slot("number", make), Flask("app")
    assert made == []
    assert (slot.get(app), slot.get(app)) == (1, 1)
    assert made == [app]


def test_without_a_service_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Slot[str]("nothing").get(Flask("app"))
