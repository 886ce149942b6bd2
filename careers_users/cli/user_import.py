"""Takes over users from another service: everything checked first, then written.

Checking writes nothing. Writing goes in batches, each with its counters and the total,
so that after an interruption the same call goes on where it stopped.
"""

import itertools
import pickle
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from marshmallow import ValidationError
from sqlalchemy import update

from careers_users.auth.password_hashing import UNUSABLE
from careers_users.cli import user_queries
from careers_users.cli.user_files import RecordSchema, columns
from careers_users.database import bulk, ngram_counts
from careers_users.extensions import db
from careers_users.models import Total, User, UserCounters
from careers_users.observability import security_log
from careers_users.validation import text

# Rows of one transaction: registrations wait for it at its end.
BATCH = 1000

Row = dict[str, Any]


@dataclass
class Plan:
    """What an import found in its file, and would do."""

    spool: IO[bytes]
    new: int = 0
    present: int = 0
    unusable: int = 0
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)

    def refuse(self, line: int, message: str) -> None:
        """Note what is wrong with a line; its user is not imported."""
        self.mistakes.append((line, message))
        self.refused.add(line)

    def rows(self) -> Iterator[Row]:
        """Yield the users to add."""
        self.spool.seek(0)
        while True:
            try:
                line, row = pickle.load(self.spool)
            except EOFError:
                return
            if line not in self.refused:
                yield row


@contextmanager
def checked(
    records: Iterable[tuple[int, Any]], *, no_passwords: bool = False
) -> Iterator[Plan]:
    """Read all records, compare them with each other and with who is there; yield so.

    Names and addresses are compared folded, as the database does it: two that differ
    only in case are a mistake of both lines. A record is there already if one user has
    both its name and its address. With `no_passwords`, records need not have any.
    Raises what the iteration of `records` raises.
    """
    with tempfile.TemporaryFile() as spool:
        plan = Plan(spool)
        _check(plan, records, no_passwords)
        yield plan


def _check(plan: Plan, records: Iterable[tuple[int, Any]], no_passwords: bool) -> None:
    seen: dict[str, int] = {}
    known = columns()
    valid = _valid(records, plan, known, no_passwords)
    for batch in iter(lambda: list(itertools.islice(valid, BATCH)), []):
        names = [row["username_key"] for _, row in batch]
        emails = [row["email_key"] for _, row in batch]
        there = user_queries.keys_among(names, emails)
        email_of = {row["username_key"]: row["email_key"] for row in there}
        name_of = {row["email_key"]: row["username_key"] for row in there}
        for line, row in batch:
            _refuse_repeated(plan, seen, line, row)
            _compare(plan, line, row, email_of, name_of)
    for row in plan.rows():
        plan.new += 1
        plan.unusable += row["password_hash"] == UNUSABLE
    plan.mistakes.sort()


def _valid(
    records: Iterable[tuple[int, Any]], plan: Plan, known: set[str], no_passwords: bool
) -> Iterator[tuple[int, Row]]:
    schema = RecordSchema()
    for line, record in records:
        if not isinstance(record, dict):
            plan.refuse(line, record if isinstance(record, str) else "not an object")
            continue
        plan.ignored |= record.keys() - known
        if no_passwords:
            record["password"] = record.get("password") or UNUSABLE
        try:
            yield line, _row(schema.load(record))
        except ValidationError as error:
            fields: Mapping[str, Any] = error.messages_dict
            parts = (f"{name}: {' '.join(said)}" for name, said in fields.items())
            plan.refuse(line, "; ".join(parts))


def _row(record: Row) -> Row:
    """Return a record as the row of a user, without the number."""
    names = {
        name: record[name] for name in ("username", "first_name", "last_name", "bio")
    }
    return {
        **names,
        "email": record["email"],
        "username_key": text.fold(record["username"]),
        "email_key": text.fold(record["email"]),
        "password_hash": record["password"],
        "first_name_key": text.fold(record["first_name"]),
        "last_name_key": text.fold(record["last_name"]),
        "avatar": record["avatar"],
        "search_text": text.search_text(**names),
        "is_active": record["is_active"],
        "token_version": 1,
        "created_at": record["created_at"],
        "updated_at": record["created_at"],
    }


def _refuse_repeated(plan: Plan, seen: dict[str, int], line: int, row: Row) -> None:
    """Refuse two lines with one name or address: which is right is not ours to say."""
    # No username has an @ in it and every address does, so one table is enough.
    for name in ("username", "email"):
        key = row[f"{name}_key"]
        first = seen.setdefault(key, line)
        if first != line:
            same = f"{name}: {row[name]} is also on line"
            plan.refuse(line, f"{same} {first}, whatever the case")
            plan.refuse(first, f"{same} {line}, whatever the case")


def _compare(
    plan: Plan,
    line: int,
    row: Row,
    email_of: Mapping[str, str],
    name_of: Mapping[str, str],
) -> None:
    name, email = row["username_key"], row["email_key"]
    if email_of.get(name) == email:
        plan.present += 1
    elif name in email_of:
        plan.refuse(line, f"username: {row['username']} is taken by another address")
    elif email in name_of:
        plan.refuse(line, f"email: {row['email']} belongs to {name_of[email]}")
    else:
        pickle.dump((line, row), plan.spool)


def write(plan: Plan, report: bulk.Report) -> None:
    """Add the users of a plan, in batches that are committed one by one.

    Raises IntegrityError if somebody took a name since the check; check again then.
    """
    rows = plan.rows()
    try:
        while batch := list(itertools.islice(rows, BATCH)):
            _write(batch)
            report(len(batch))
    finally:
        ngram_counts.fold_all()


def _write(rows: list[Row]) -> None:
    with db.session.begin():
        connection = db.session.connection()
        bulk.prepare(connection)
        ids = bulk.reserve_ids(connection, User, len(rows))
        numbered = zip(ids, rows, strict=True)
        bulk.write(connection, User, ({"id": id_, **row} for id_, row in numbered))
        counters = (_NO_COUNTS | {"user_id": id_} for id_ in ids)
        bulk.write(connection, UserCounters, counters)
        # Last, since all registrations wait for this one row until the commit.
        db.session.execute(
            update(Total)
            .where(Total.name == "users")
            .values(value=Total.value + len(rows))
        )
    security_log.record("users_imported", None, number=len(rows))


_NO_COUNTS = {
    "user_id": 0,
    "followers_count": 0,
    "following_count": 0,
    "posts_count": 0,
    "likes_received": 0,
    "comments_received": 0,
}
