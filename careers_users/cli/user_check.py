"""Checks the users of a file, against each other and the database; writes nothing."""

import itertools
import pickle
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from marshmallow import ValidationError

from careers_users import clock
from careers_users.auth.password_hashing import UNUSABLE
from careers_users.cli import user_files, user_queries
from careers_users.cli.mistakes import Mistakes
from careers_users.cli.record_files import Record
from careers_users.cli.user_files import RecordSchema
from careers_users.validation import folding
from careers_users.validation.words import searchable

# Records that are compared with the database at once.
BATCH = 1000
_SUSPENSION = (
    "suspended_at",
    "suspended_until",
    "suspension_reason",
    "suspension_note",
)

Row = dict[str, Any]
_COPIED = "username email first_name last_name bio avatar is_active".split()


@dataclass(frozen=True)
class Found:
    """A good record: its number there, the user's row, and the number here if any."""

    record: Record
    old_id: str
    row: Row
    present: int | None = None

    @property
    def line(self) -> int:
        """Return the line where the record begins."""
        return self.record.line

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the values that only one user may have."""
        # No username has an @ in it, every address does, and no number is so written.
        return (
            self.row["username_key"],
            self.row["email_key"],
            *((f"id {self.old_id}",) if self.old_id else ()),
        )


@dataclass
class Plan:
    """The users found in a file, in a temporary file, and the lines refused."""

    mistakes: Mistakes
    spool: IO[bytes]
    schema: RecordSchema
    no_passwords: bool = False
    new: int = 0
    present: int = 0
    unusable: int = 0
    # Lines that say again, word for word, what an earlier one says.
    repeated: set[int] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    last_id: int = 0
    # The default of what a file leaves out, the same for all lines.
    now: datetime = field(default_factory=clock.utcnow)

    @property
    def keeps_ids(self) -> bool:
        """Return whether users have the numbers that stand in the file."""
        return isinstance(self.schema, user_files.SameIdRecordSchema)

    def spooled(self) -> Iterator[Found]:
        """Yield the good records: the users to add, and those that are there."""
        self.spool.seek(0)
        while True:
            try:
                found: Found = pickle.load(self.spool)
            except EOFError:
                return
            if found.line not in self.mistakes and found.line not in self.repeated:
                yield found


@contextmanager
def checked(
    records: Iterable[Record],
    mistakes: Mistakes,
    schema: RecordSchema,
    no_passwords: bool,
) -> Iterator[Plan]:
    """Read all records, compare them with each other and with who is there; yield so.

    Names and addresses are compared folded, as the database does it. A record is there
    already if one user has both its name and its address. With `no_passwords`, records
    need not have any. Raises what the iteration of `records` raises.
    """
    with tempfile.TemporaryFile() as spool:
        plan = Plan(mistakes, spool, schema, no_passwords)
        _check(plan, records)
        yield plan


def _check(plan: Plan, records: Iterable[Record]) -> None:
    seen: set[str] = set()
    twice: set[str] = set()
    valid = _valid(plan, records)
    for batch in iter(lambda: list(itertools.islice(valid, BATCH)), []):
        for found in _compared(plan, batch):
            twice.update(seen.intersection(found.keys))
            seen.update(found.keys)
            pickle.dump(found, plan.spool)
    if twice:
        _refuse_repeated(plan, twice)
    for found in plan.spooled():
        plan.last_id = max(plan.last_id, found.row.get("id", 0))
        if found.present is None:
            plan.new += 1
            plan.unusable += found.row["password_hash"] == UNUSABLE
        else:
            plan.present += 1


def _valid(plan: Plan, records: Iterable[Record]) -> Iterator[Found]:
    known = user_files.columns(plan.schema)
    for record in records:
        if record.mistake:
            plan.mistakes.add(record, record.mistake)
            continue
        plan.ignored |= record.values.keys() - known
        values = record.values
        if plan.no_passwords:
            values = {**values, "password": values.get("password") or UNUSABLE}
        try:
            loaded: Row = plan.schema.load(values)
        except ValidationError as error:
            messages: Mapping[str, Any] = error.messages_dict
            parts = (f"{name}: {' '.join(said)}" for name, said in messages.items())
            plan.mistakes.add(record, "; ".join(parts))
            continue
        row = _row(loaded, plan.now)
        if plan.keeps_ids:
            row["id"] = int(loaded["id"])
        yield Found(record, loaded.get("id", ""), row)


def _row(record: Row, now: datetime) -> Row:
    """Return a record as the row of a user, without the number."""
    created_at = record["created_at"] or now
    is_suspended = record["suspended_at"] is not None
    return {
        **{name: record[name] for name in _COPIED},
        "username_key": folding.identity(record["username"]),
        "email_key": folding.identity(record["email"]),
        "password_hash": record["password"],
        **searchable(**record),
        # The earlier service knows that, not when.
        "email_verified_at": now if record["email_verified"] else None,
        "token_version": 1,
        "created_at": created_at,
        "updated_at": record["updated_at"] or created_at,
        **{name: record[name] if is_suspended else None for name in _SUSPENSION},
    }


def _compared(plan: Plan, batch: list[Found]) -> Iterator[Found]:
    """Yield the records that do not contradict the database, and refuse the others."""
    names = [found.row["username_key"] for found in batch]
    there = user_queries.keys_among(names, [found.row["email_key"] for found in batch])
    by_name = {row["username_key"]: row for row in there}
    by_email = {row["email_key"]: row for row in there}
    reserved = user_queries.reserved_among(names)
    ids = [found.row["id"] for found in batch if plan.keeps_ids]
    used = user_queries.ids_used_among(ids) if ids else set()
    for found in batch:
        row = found.row
        name, email = row["username_key"], row["email_key"]
        user = by_name.get(name)
        mistake = ""
        if user is not None and user["email_key"] == email:
            if plan.keeps_ids and user["id"] != row["id"]:
                mistake = f"id: {row['username']} is here, with number {user['id']}"
            found = Found(found.record, found.old_id, row, user["id"])
        elif user is not None:
            mistake = f"username: {row['username']} is taken by another address"
        elif email in by_email:
            other = by_email[email]["username_key"]
            mistake = f"email: {row['email']} belongs to {other}"
        elif name in reserved:
            mistake = f"username: {row['username']} was a deleted account's lately"
        elif row.get("id") in used:
            mistake = f"id: {row['id']} is, or was, another user's"
        if mistake:
            plan.mistakes.add(found.record, mistake)
        else:
            yield found


def _refuse_repeated(plan: Plan, twice: set[str]) -> None:
    """Let the oldest of the records with a name, an address or an id stay."""
    claims = [found for found in plan.spooled() if not twice.isdisjoint(found.keys)]
    claims.sort(key=lambda found: (found.row["created_at"], found.line))
    holders: dict[str, Found] = {}
    for found in claims:
        taken = [key for key in found.keys if key in holders]
        if not taken:
            holders.update(dict.fromkeys(found.keys, found))
        elif holders[taken[0]].record.values == found.record.values:
            plan.repeated.add(found.line)
        else:
            plan.mistakes.add(found.record, _twin(found, taken[0], holders[taken[0]]))


def _twin(found: Found, key: str, holder: Found) -> str:
    column = ("username", "email", "id")[found.keys.index(key)]
    value = found.old_id if column == "id" else found.row[column]
    return f"{column}: {value} is also on line {holder.line}, and older there"
