"""Mistakes in the lines of a file: shown on stderr, written to a file to be mended."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from careers_users.cli import console, private_files
from careers_users.cli.record_files import Record, RecordFile, RecordsError

# Mistakes shown; more of them are usually one that repeats itself.
SHOWN_MAX = 200
# The columns of a report beside those of its file: where a line is, what is wrong.
LINE, MISTAKE = COLUMNS = ("line", "mistake")

# In the order of the help.
IMPORT_OPTIONS = (
    click.option("--dry-run", is_flag=True, help="Check everything, write nothing."),
    click.option(
        "--skip-invalid", is_flag=True, help="Import the good lines, report the others."
    ),
    click.option(
        "--report",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the wrong lines to this new file, to be mended and imported again.",
    ),
    click.option(
        "--mended",
        type=click.Path(dir_okay=False, exists=True, path_type=Path),
        help="A report, mended: its lines are taken instead of those that were wrong.",
    ),
)


class Mistakes:
    """The refused records of a file, each with what is wrong with it."""

    def __init__(self, *, reported: bool = False) -> None:
        self._messages: dict[int, str] = {}
        # Held only if they are wanted: a file may be wrong from end to end.
        self._records: list[Record] | None = [] if reported else None

    def __len__(self) -> int:
        return len(self._messages)

    def __contains__(self, line: int) -> bool:
        return line in self._messages

    def add(self, record: Record, message: str) -> None:
        """Note what is wrong with a record that was good until now."""
        self._messages[record.line] = message
        if self._records is not None:
            self._records.append(record)

    def show(self) -> None:
        """Write the first mistakes to stderr, by line."""
        for line, message in sorted(self._messages.items())[:SHOWN_MAX]:
            console.warn(f"line {line}: {message}")
        if (more := len(self._messages) - SHOWN_MAX) > 0:
            console.warn(f"... and {more:,} more mistakes")

    def write(self, path: Path, file: RecordFile, extra: tuple[str, ...] = ()) -> None:
        """Write the refused records in the format of `file`, if there are any.

        The first columns say where and what is wrong; columns `extra` are added.
        """
        if not self._records:
            return
        with private_files.new(path) as output:
            for text in self._texts(file, extra):
                output.write(text)
        console.warn(f"Wrote {len(self._records):,} wrong lines to {path}")

    def _texts(self, file: RecordFile, extra: tuple[str, ...]) -> Iterator[str]:
        records = sorted(self._records or (), key=lambda record: record.line)
        if file.format == "csv":
            added = [name for name in extra if name not in file.columns]
            known = [name for name in file.columns if name not in COLUMNS]
            yield _csv_line([*COLUMNS, *known, *added])
        for record in records:
            first = {LINE: record.line, MISTAKE: self._messages[record.line]}
            text = record.text.rstrip("\r\n") + "\n"
            if file.format != "csv":
                values = {"text": record.text} if record.mistake else record.values
                yield json.dumps({**values, **first}) + "\n"
            elif not record.mistake:
                row = [record.values.get(name, "") for name in (*known, *added)]
                yield _csv_line([*first.values(), *row])
            elif MISTAKE in file.columns:
                yield text  # With the columns that it came with.
            else:
                yield _csv_line([*first.values()]).rstrip("\n") + "," + text


def _csv_line(row: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(row)
    return line.getvalue()


def mended(records: Iterable[Record], report: Iterable[Record]) -> Iterator[Record]:
    """Yield records; in place of those in a report, its mended ones.

    Raises RecordsError if a line of the report does not say which it is instead of.
    """
    instead: dict[str, Record] = {}
    for record in report:
        line = str(record.values.get(LINE, ""))
        if record.mistake or not line.isdigit():
            reason = record.mistake or "has no number in the column line"
            raise RecordsError(f"The mended file, line {record.line}: {reason}")
        instead[line] = record
    for record in records:
        found = instead.get(str(record.line), record)
        yield replace(found, line=record.line)
