"""The file format of `users import` and `users export`: CSV or JSON lines, UTF-8.

A record is a user with the columns of the service before this one, where they differ
from ours: `date_joined` is `created_at`, `password` is the stored hash.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from flask_marshmallow.schema import Schema
from marshmallow import EXCLUDE, ValidationError, fields, pre_load

from careers_users import clock
from careers_users.auth.password_hashing import UNUSABLE, scheme
from careers_users.cli.console import as_json
from careers_users.database import Row
from careers_users.validation.fields import (
    AvatarUrl,
    Bio,
    Email,
    PersonName,
    Text,
    Username,
)

FORMATS = ("csv", "jsonl")
# Longer than any stored hash may be; it is the width of the column.
HASH_MAX = 255
# Clocks differ, and zones are mistaken for each other.
_FUTURE = timedelta(days=1)
_TRUE, _FALSE = {"true", "t", "1"}, {"false", "f", "0"}
EXPORTED = (
    "username email password first_name last_name bio avatar is_active created_at"
).split()


class RecordsError(Exception):
    """The file can't be read as records; the message says where and why."""


class StoredHash(Text):
    """What is stored of a password: a hash that can be verified, or `!` for none."""

    raw_max = HASH_MAX

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        result = super()._deserialize(value, attr, data, **kwargs)
        kind = scheme(result)
        if kind == "unusable":
            return UNUSABLE
        if kind is None:
            raise ValidationError("Not a hash that this service can verify.")
        return result


class Flag(fields.Field[bool]):
    """Yes or no, as JSON and as databases write it into CSV."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> bool:
        word = str(value).strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValidationError("Not true or false.")
        return word in _TRUE


class Moment(fields.Field[datetime]):
    """A time in ISO 8601; without a zone it is UTC, as databases export it."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            moment = moment.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            raise ValidationError("Not a time like 2024-01-15T10:30:00Z.") from None
        if moment > clock.utcnow() + _FUTURE:
            raise ValidationError("Lies in the future.")
        return moment


class RecordSchema(Schema):
    """A record to import, by the rules of registration; other columns are ignored."""

    class Meta:
        unknown = EXCLUDE

    username = Username(required=True)
    email = Email(required=True)
    password = StoredHash(required=True)
    first_name = PersonName(load_default="")
    last_name = PersonName(load_default="")
    bio = Bio(load_default="")
    avatar = AvatarUrl(load_default=None)
    is_active = Flag(load_default=True)
    created_at = Moment(load_default=clock.utcnow)

    @pre_load
    def rename(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Take `date_joined` for `created_at`; an empty time is none."""
        data = dict(data)
        joined = data.pop("date_joined", None)
        if not data.get("created_at"):
            data.pop("created_at", None)
            if joined:
                data["created_at"] = joined
        return data


def columns() -> set[str]:
    """Return the columns that mean something."""
    return {*RecordSchema().fields, "date_joined"}


def format_of(path: Path, name: str | None) -> str:
    """Return the format of a file: the one named, or the one that its ending says.

    Raises RecordsError if neither says any.
    """
    endings = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
    found = name or endings.get(path.suffix.lower())
    if found is None:
        raise RecordsError(f"{path.name} ends in neither .csv nor .jsonl: use --format")
    return found


def read(path: Path, format_: str) -> Iterator[tuple[int, Any]]:
    """Yield the records of a file with the numbers of their lines, as they stand there.

    What is no object at all is yielded as it is. Raises RecordsError.
    """
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = _read_csv(file) if format_ == "csv" else _read_lines(file)
            for number, record in reader:
                yield number, record
    except UnicodeDecodeError as error:
        raise RecordsError(f"After line {number}: not UTF-8 ({error.reason})") from None
    except csv.Error as error:
        raise RecordsError(f"After line {number}: {error}") from None
    except OSError as error:
        raise RecordsError(f"{path} can't be read: {error.strerror}") from None


def _read_csv(file: IO[str]) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(file, strict=True)
    if not {"username", "email"} <= set(reader.fieldnames or ()):
        raise RecordsError("The first line must name the columns, as username,email")
    begins = reader.line_num + 1  # A bio may have several lines.
    for record in reader:
        complete = None not in record and None not in record.values()
        yield begins, record if complete else "not as many columns as the first line"
        begins = reader.line_num + 1


def _read_lines(file: IO[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            yield number, "not JSON"


def write(
    file: IO[str], format_: str, rows: Iterable[Row], names: list[str]
) -> Iterator[int]:
    """Write rows with the columns `names`; yields 1 for each that is written."""
    writer = csv.DictWriter(file, names, lineterminator="\n")
    if format_ == "csv":
        writer.writeheader()
    for row in rows:
        record = {name: row[name] for name in names}
        if format_ == "csv":
            moment = record["created_at"].isoformat().replace("+00:00", "Z")
            active = "true" if record["is_active"] else "false"
            writer.writerow(record | {"created_at": moment, "is_active": active})
        else:
            file.write(as_json(record) + "\n")
        yield 1
