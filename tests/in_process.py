"""Commands run in the tests' own process, since the start of one takes a second.

For tests of what a command says and does. Tests of a process itself (its signals,
terminal, pipes, several at once) use `live_server.run`.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest import mock

from click.testing import CliRunner
from flask.cli import FlaskGroup
from flask.cli import cli as flask_command
from sqlalchemy import event
from sqlalchemy.pool import Pool

from careers_users import server
from careers_users.__main__ import main
from tests.live_server import ROOT, environment

LOGGERS = [logging.getLogger(name) for name in (None, "alembic")]
CAREERS_USERS, FLASK = "careers-users", "flask"


def run(
    folder: Path,
    *words: str,
    program: str = CAREERS_USERS,
    stdin: str | None = None,
    **settings: str,
) -> "CompletedProcess[str]":
    """Run a command to its end, as `live_server.run` does; `serve` may only refuse."""
    group: FlaskGroup = main
    if program == FLASK:
        group, words = flask_command, ("--app", str(ROOT / "wsgi.py"), *words)
    with (
        chdir(folder),
        mock.patch.dict(os.environ, environment(settings), clear=True),
        mock.patch.object(sys, "path", sys.path.copy()),
        mock.patch.object(server, "run", side_effect=AssertionError("It serves.")),
        _log_of_its_own(),
        _connections_closed(),
    ):
        sys.modules.pop("wsgi", None)  # It reads the settings when it is imported.
        result = CliRunner().invoke(
            group, words, input=stdin, prog_name=program, catch_exceptions=False
        )
    return CompletedProcess(words, result.exit_code, result.stdout, result.stderr)


@contextmanager
def _log_of_its_own() -> Iterator[None]:
    """Take the handlers of pytest away meanwhile, as if there were no others."""
    states = [(log, log.handlers.copy(), log.level) for log in LOGGERS]
    logging.getLogger().handlers.clear()
    try:
        yield
    finally:
        for log, handlers, level in states:
            log.handlers[:] = handlers
            log.setLevel(level)


@contextmanager
def _connections_closed() -> Iterator[None]:
    """Close the connections that are made meanwhile, as the end of a process does."""
    made: list[Any] = []

    def remember(connection: Any, _record: object) -> None:
        made.append(connection)

    event.listen(Pool, "connect", remember)
    try:
        yield
    finally:
        event.remove(Pool, "connect", remember)
        for connection in made:
            connection.close()
