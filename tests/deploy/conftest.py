"""Leaves out, visibly, what needs a program that is not here."""

import pytest

from tests.deploy import programs


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, or fail it where they are required."""
    for marker in item.iter_markers("deploy"):
        for name in marker.args:
            if programs.find(name) is None:
                reason = f"needs {name}: install {programs.PACKAGES[name]}"
                (pytest.fail if programs.are_required() else pytest.skip)(reason)
