"""The base of all commands: exit codes, errors as sentences, progress, passwords."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from careers_users.database import bulk, errors
from careers_users.http.errors import ServiceError

# The meaning of exit codes; 65 and above are those of sysexits.h. docs/cli.md lists
# them.
EXIT_NO = 1
EXIT_USAGE = 2
EXIT_DATA = 65
EXIT_UNAVAILABLE = 69
EXIT_OUTPUT = 73
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130
EXIT_CODES = {
    0: "done",
    EXIT_NO: "refused, or the answer is no: the message says why",
    EXIT_USAGE: "the command was not called like this",
    EXIT_DATA: "the data to read is wrong; nothing was written",
    EXIT_UNAVAILABLE: "the database or the port can't be used; trying again may help",
    EXIT_OUTPUT: "the file can't be written, or would be for everybody to read",
    EXIT_CONFIG: "a setting, a key or an extra is wrong or missing; trying again does "
    "not help",
    EXIT_INTERRUPTED: "interrupted; nothing is half done",
}
# A line of a mistake is about as long as this at most.
PRINTED_MAX_CHARACTERS = 1000
# Seconds between two lines of progress where there is no terminal.
LINE_SECONDS = 5.0


class Stop(click.ClickException):
    """Ends a command with a sentence on stderr and an exit code that says why."""

    def __init__(self, message: str, code: int = EXIT_NO) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]

    def show(self, file: Any = None) -> None:
        """Write the sentence to stderr."""
        text = printable(self.message)
        click.echo(f"careers-users: {text}", file=file, err=file is None)


def printable(text: str) -> str:
    """Return a text of any author as one line for a terminal.

    Escapes control characters, which move the cursor or forge lines, and characters
    that are invisible or turn the line around. Cuts off a long text.
    """
    if len(text) > PRINTED_MAX_CHARACTERS:
        text = f"{text[:PRINTED_MAX_CHARACTERS]}..."
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in text
    )


def warn(text: str) -> None:
    """Write a line to stderr, printable."""
    click.echo(printable(text), err=True)


def command(
    name: str, *, interrupted: str = "Interrupted; nothing was changed."
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a command that has the application and speaks in sentences.

    Refusals of services, a failing database and Ctrl-C become `Stop`; `interrupted` is
    the sentence for the last.
    """

    def decorate(function: Callable[..., Any]) -> click.Command:
        @wraps(function)
        def speaking(*args: Any, **kwargs: Any) -> Any:
            with in_sentences(interrupted):
                return function(*args, **kwargs)

        return click.command(name)(with_appcontext(speaking))

    return decorate


@contextmanager
def in_sentences(interrupted: str) -> Iterator[None]:
    """Turn what services refuse, a database in trouble and Ctrl-C into `Stop`."""
    try:
        yield
    except ServiceError as error:
        raise Stop(_refusal(error)) from error
    except IntegrityError as error:
        raise Stop(
            "Somebody changed the same data meanwhile; nothing was changed here. Try "
            "again."
        ) from error
    except SQLAlchemyError as error:
        raise Stop(errors.sentence(error), EXIT_UNAVAILABLE) from error
    except KeyboardInterrupt as error:
        raise Stop(interrupted, EXIT_INTERRUPTED) from error


def _refusal(error: ServiceError) -> str:
    if isinstance(error.details, str):
        return f"{error.details.removesuffix('.')}."
    return f"{error.error}. {mistakes(error.details)}"


def mistakes(details: Any) -> str:
    """Return fields and their messages in one line."""
    return " ".join(
        f"{field}: {' '.join(messages)}" for field, messages in details.items()
    )


@contextmanager
def progress(label: str, length: int) -> Iterator[bulk.Report]:
    """Show on stderr how far something is; yields a function to call with each step.

    A bar on a terminal, elsewhere a line now and then and one at the end.
    """
    if sys.stderr.isatty():
        with click.progressbar(
            length=length, label=label, file=sys.stderr, show_pos=True
        ) as bar:
            yield bar.update
        return
    done, spoken = 0, time.monotonic()

    def report(step: int) -> None:
        nonlocal done, spoken
        done += step
        if done >= length or time.monotonic() - spoken > LINE_SECONDS:
            spoken = time.monotonic()
            click.echo(f"{label}: {done:,} of {length:,}", err=True)

    yield report


def read_password(*, from_stdin: bool) -> str:
    """Return a password typed twice, or the first line of stdin.

    Never from the arguments: everybody on the machine sees those.
    """
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Stop(
            "There is no terminal to ask for the password on: use --password-stdin.",
            EXIT_USAGE,
        )
    password: str = click.prompt(
        "Password", hide_input=True, confirmation_prompt=True, err=True
    )
    return password


def as_json(value: Any) -> str:
    """Return a value as one line of JSON; times are RFC 3339 in UTC."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    text: str = value.isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")
