"""The files under deploy/, and the commands that they name."""

import click

from careers_users.__main__ import main
from tests.live_server import ROOT

DEPLOY = ROOT / "deploy"


def text_of(name: str) -> str:
    """Return a file under deploy/."""
    return (DEPLOY / name).read_text("utf-8")


def assert_command_exists(words: list[str]) -> None:
    """Assert that `careers-users` takes these words, options and all."""
    command: click.Command | None = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        assert words, "a command is named"
        command = command.get_command(context, words.pop(0))
        assert command is not None
    assert command is not None
    command.make_context("careers-users", words)  # Raises for an option it has not.
