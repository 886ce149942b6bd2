"""Files of records in UTF-8: CSV with a line of column names, or JSON lines.

Reading never stops at a bad record: each is one record with a mistake, and the next one
begins behind it. Lines are counted as an editor counts them.
"""

import csv
import io
import json
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

FORMATS = ("csv", "jsonl")
_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
# The csv module's own limit is lower than a long text, and behind a quote that is never
# closed a field goes on to here.
_FIELD_MAX_CHARACTERS = 16 * 1024**2
# Looked at to tell what a file is.
_HEAD_BYTES = 4096
_DUMPDATA = re.compile(rb'\s*\[?\s*\{\s*"model"\s*:')
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")


class RecordsError(Exception):
    """The file as a whole can't be read as records; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record: the line where it begins, its text, its values by name.

    With a `mistake` there are no values, and the text is no record.
    """

    line: int
    text: str
    values: dict[str, Any]
    mistake: str = ""


def format_of(path: Path, name: str | None) -> str:
    """Return the format of a file: the one named, or the one that its ending says.

    Raises RecordsError if neither says any.
    """
    found = name or _ENDINGS.get(path.suffix.lower())
    if found is None:
        raise RecordsError(f"{path.name} ends in neither .csv nor .jsonl: use --format")
    return found


@contextmanager
def reading(
    path: Path, format_: str, required: tuple[str, ...]
) -> "Iterator[RecordFile]":
    """Yield the records of a file; a CSV file has to have the columns `required`.

    Raises RecordsError, also from the block, if the file can't be read.
    """
    try:
        with path.open("rb") as file:
            _refuse_other_files(file.peek(_HEAD_BYTES)[:_HEAD_BYTES], format_)
            # Bytes that are no UTF-8 become surrogates, and mistakes of their lines.
            text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
            yield RecordFile(text, format_, required)
    except OSError as error:
        raise RecordsError(f"{path} can't be read: {error.strerror}") from None


def _refuse_other_files(head: bytes, format_: str) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise RecordsError("The file is UTF-16, not UTF-8: save it as UTF-8")
    head = head.removeprefix(b"\xef\xbb\xbf")
    if _DUMPDATA.match(head):
        raise RecordsError(
            "The file is what Django's dumpdata writes; docs/moving-in.md says how to "
            "write the users"
        )
    if format_ == "jsonl" and head.lstrip().startswith(b"["):
        raise RecordsError("The file is a JSON array: write one object on each line")


class _Lines:
    """The lines of a file, counted, of which those just taken can be given back."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._file)
        self.number += 1
        self._taken.append(line)
        return line

    def begin(self) -> int:
        """Begin a record with the next line; return its number."""
        self._taken = []
        return self.number + 1

    def text(self) -> str:
        """Return the record as far as it has been read."""
        return "".join(self._taken)

    def give_back(self) -> None:
        """Let what was read after the record's first line be read again."""
        self._again.extendleft(reversed(self._taken[1:]))
        self.number -= len(self._taken[1:])
        del self._taken[1:]


class RecordFile:
    """The records of an open file, to be iterated once; `columns` are those of CSV."""

    def __init__(self, file: IO[str], format_: str, required: tuple[str, ...]) -> None:
        self.format = format_
        self.columns: list[str] = []
        self._lines = _Lines(file)
        if format_ == "csv":
            csv.field_size_limit(_FIELD_MAX_CHARACTERS)
            self._rows = csv.reader(self._lines, strict=True)
            self.columns = self._header(required)

    def __iter__(self) -> Iterator[Record]:
        return self._csv() if self.format == "csv" else self._json_lines()

    def _header(self, required: tuple[str, ...]) -> list[str]:
        try:
            columns = [name.strip() for name in next(self._rows, [])]
        except csv.Error as error:
            self._refuse_separators(required)
            raise RecordsError(f"Line 1 is not CSV: {error}") from None
        self._refuse_separators(required)
        if not set(required) <= set(columns):
            raise RecordsError(
                f"The first line must name the columns, as {','.join(required)}"
            )
        twice = {name for name in columns if columns.count(name) > 1}
        if twice:
            raise RecordsError(f"Columns are there twice: {', '.join(sorted(twice))}")
        return columns

    def _refuse_separators(self, required: tuple[str, ...]) -> None:
        for separator, name in _SEPARATORS.items():
            words = self._lines.text().split(separator)
            if set(required) <= {word.strip(' "\r\n') for word in words}:
                raise RecordsError(
                    f"The columns are separated by {name}: separate them by commas"
                )

    def _csv(self) -> Iterator[Record]:
        while True:
            line = self._lines.begin()
            try:
                row = next(self._rows)
            except StopIteration:
                return
            except csv.Error as error:
                # A stray quote takes the lines behind it into its field. Programs that
                # write CSV double the quotes of a text, so what users wrote is
                # not read as records here.
                self._lines.give_back()
                yield Record(line, self._lines.text(), {}, f"not CSV: {error}")
                continue
            text = self._lines.text()
            if len(row) <= 1 and not text.strip():
                continue
            mistake = _mistake(text)
            if not mistake and len(row) != len(self.columns):
                mistake = (
                    f"has {len(row)} columns, and the first line {len(self.columns)}"
                )
            values = {} if mistake else dict(zip(self.columns, row, strict=True))
            yield Record(line, text, values, mistake)

    def _json_lines(self) -> Iterator[Record]:
        for text in self._lines:
            self._lines.begin()
            if text.strip():
                yield _from_json(self._lines.number, text)


def _from_json(line: int, text: str) -> Record:
    mistake, values = _mistake(text), None
    if not mistake:
        try:
            values = _DECODER.decode(text.strip())
        except _Twice as error:
            mistake = f"{error}: is there twice"
        except (ValueError, RecursionError):
            mistake = "not JSON"
    if not mistake and not isinstance(values, dict):
        mistake = "not an object"
    return Record(line, text, {} if mistake else values or {}, mistake)


def _mistake(text: str) -> str:
    return "not UTF-8" if not text.isascii() and _NOT_UTF_8.search(text) else ""


class _Twice(Exception):
    """A JSON object has a key twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Twice(name)
            seen.add(name)
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse_constant)


class Writer:
    """Writes records in one of the formats, all with the same columns."""

    def __init__(self, file: IO[str], format_: str, columns: list[str]) -> None:
        self._file = file
        self._columns = columns
        self._csv = None
        if format_ == "csv":
            self._csv = csv.writer(file, lineterminator="\n")
            self._csv.writerow(columns)

    def write(self, values: Any) -> None:
        """Write a record; times and truth values as `users import` reads them."""
        row = [values[name] for name in self._columns]
        if self._csv:
            self._csv.writerow([_word(value) for value in row])
            return
        named = dict(zip(self._columns, row, strict=True))
        text = json.dumps(named, ensure_ascii=False, default=_word)
        self._file.write(f"{text}\n")


def _word(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else value
