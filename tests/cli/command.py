"""Runs commands inside the tests' process, on the application under test."""

import json
from typing import Any

from click.testing import Result
from flask import Flask


def run(app: Flask, *words: str, stdin: str = "") -> Result:
    """Run `flask WORDS`; what it raises comes through, exits do not."""
    runner = app.test_cli_runner()
    return runner.invoke(args=list(words), input=stdin, catch_exceptions=False)


def done(app: Flask, *words: str, stdin: str = "") -> str:
    """Run a command that must succeed; return what it answers on stdout."""
    result = run(app, *words, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(app: Flask, *words: str, code: int = 1, stdin: str = "") -> str:
    """Run a command that must be refused; return what it says on stderr."""
    result = run(app, *words, stdin=stdin)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def lines_of_json(output: str) -> list[Any]:
    """Return the JSON of each line."""
    return [json.loads(line) for line in output.splitlines()]
