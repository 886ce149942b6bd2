"""The commands `flask activity ...`."""

import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
from flask.cli import AppGroup
from sqlalchemy.exc import SQLAlchemyError

from careers_users.cli import console
from careers_users.http.errors import MalformedJson
from careers_users.http.json import strict_json
from careers_users.post_events import service
from careers_users.post_events.schemas import STATUSES, Event, Invalid, read

# Lines in one transaction: enough that the commit costs little, few enough that the
# service's own requests need not wait for it.
IMPORT_LINES = 500
# Lines named one by one that can't be used; of more than that only the number is told.
SHOWN_MAX = 20

activity = AppGroup("activity", help="Look after the events of the service of posts.")


@activity.command("import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--from-line",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Where to go on after an import that was stopped.",
)
def import_events(path: Path, from_line: int) -> None:
    """Take in the events of FILE, one CloudEvent in JSON on each line.

    An event that was taken in before is not counted again, so an import that was
    stopped can be repeated, or go on where it was. Exits with 1 if some lines were of
    no use.
    """
    tally: Counter[str] = Counter()
    done = from_line - 1
    try:
        with path.open("rb") as file, _progress(path) as bar:
            for first, lines in _batches(file, from_line, bar):
                results = service.take([_read(line) for line in lines if line.strip()])
                done = first + len(lines) - 1
                numbers = (n for n, line in enumerate(lines, first) if line.strip())
                for number, result in zip(numbers, results, strict=True):
                    tally[result["status"]] += 1
                    _show(number, result, tally)
                bar.update(sum(len(line) for line in lines))
    except OSError as error:
        raise console.Stop(f"{path} can't be read: {error.strerror}.") from None
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        raise console.Stop(f"{_stopped(done)} The database: {reason}") from None
    except KeyboardInterrupt:
        raise console.Stop(_stopped(done)) from None
    click.echo(", ".join(f"{tally[status]} {status}" for status in STATUSES))
    if tally["invalid"] + tally["unknown_user"]:
        raise SystemExit(1)


def _progress(path: Path) -> Any:
    """Return a bar for the bytes of a file, on stderr and only on a terminal."""
    size = path.stat().st_size
    return click.progressbar(length=size, label=path.name, file=sys.stderr)


def _batches(
    file: BinaryIO, from_line: int, bar: Any
) -> Iterator[tuple[int, list[bytes]]]:
    """Give the lines from that one on, in batches with the number of their first."""
    for line in itertools.islice(file, from_line - 1):
        bar.update(len(line))
    number = from_line
    while lines := list(itertools.islice(file, IMPORT_LINES)):
        yield number, lines
        number += len(lines)


def _read(line: bytes) -> Event | Invalid:
    try:
        return read(strict_json(line))
    except MalformedJson as error:
        return Invalid(None, None, str(error.details))


def _show(number: int, result: dict[str, Any], tally: Counter[str]) -> None:
    """Name a line that could not be used on stderr, unless there are many."""
    if result["status"] not in ("invalid", "unknown_user"):
        return
    useless = tally["invalid"] + tally["unknown_user"]
    if useless <= SHOWN_MAX:
        reason = result["reason"] or f"{result['id']}: unknown_user"
        console.warn(f"line {number}: {reason}")
    elif useless == SHOWN_MAX + 1:
        click.echo("... and more lines like these.", err=True)


def _stopped(done: int) -> str:
    return (
        f"Stopped after line {done}. All lines before are taken in; "
        f"go on with --from-line {done + 1}."
    )
