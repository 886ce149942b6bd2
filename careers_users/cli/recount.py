"""The command `users recount`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import click
from sqlalchemy import BigInteger, Connection, cast, func, select, update
from sqlalchemy.orm import InstrumentedAttribute

from careers_users import database
from careers_users.cli import block_flags, console
from careers_users.extensions import db
from careers_users.jobs import leases
from careers_users.models import Follow, User, UserCounters, UserTotal

# Counters set right in one transaction: their users' follows wait for its end.
REPAIR_ROWS = 100
_LEASE = "recount"
_SNAPSHOT = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
    "SET LOCAL statement_timeout = 0; "
    "SET LOCAL idle_in_transaction_session_timeout = 0"
)


@console.command(
    "recount", interrupted="Interrupted; what was repaired stays so. Run it again."
)
@click.option("--check", is_flag=True, help="Only report; exit with 1 if any differ.")
def recount(check: bool) -> None:
    """Compare the stored counters with the rows they count, and repair them.

    So it does with the flags of users who block, or are blocked. Nothing waits for the
    comparison, and next to nothing for the repair.
    """
    unflagged, flags = block_flags.missing(), 0
    if check:
        drifts = compare_counters()
    else:
        with _alone() as holder:
            drifts = compare_counters()
            repair(drifts, holder)
            flags = block_flags.repair()
    for name in unflagged:
        click.echo(f"{name}: has_blocks is false, should be true")
    if flags:
        click.echo(f"Repaired {flags} flags of blocks.")
    _report(drifts, has_failed=check and bool(drifts or unflagged))


def _report(drifts: Sequence["Drift"], *, has_failed: bool) -> None:
    for drift in drifts:
        click.echo(f"{drift.name} is {drift.stored}, should be {drift.counted}")
    if not drifts:
        click.echo("All counters are right.")
    elif not has_failed:
        click.echo(f"Repaired {len(drifts)} counters.")
    if has_failed:
        raise SystemExit(console.EXIT_NO)


@contextmanager
def _alone() -> Iterator[str]:
    """Keep a second repair out, which would add what is missing once more."""
    holder = uuid4().hex
    if not leases.claim(_LEASE, holder, even_if_early=True):
        raise console.Stop("Another process repairs the counters just now.")
    try:
        yield holder
    finally:
        leases.release(_LEASE, holder)


@dataclass(frozen=True)
class Drift:
    """A counter that did not equal the rows it counts, at one moment.

    The difference stays the same later, since everything that is counted adds to it or
    takes from it. So it can be added later, without keeping anything away.
    """

    name: str
    stored: int
    counted: int
    counter: InstrumentedAttribute[int] | None = None
    user_id: int | None = None

    @property
    def missing(self) -> int:
        """Return what has to be added."""
        return self.counted - self.stored


def compare_counters() -> list[Drift]:
    """Compare all counters with their rows, as they are at one moment.

    Return those that differ. Takes no lock.
    """
    with _snapshot() as connection:
        return [
            *_compare(connection, UserCounters.followers_count, Follow.following_id),
            *_compare(connection, UserCounters.following_count, Follow.follower_id),
            *_compare_users(connection),
        ]


@contextmanager
def _snapshot() -> Iterator[Connection]:
    """Give a connection that sees everything as it is now, however long it looks."""
    with database.reader().connect() as connection:
        connection.exec_driver_sql("BEGIN" if database.is_sqlite() else _SNAPSHOT)
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


def _compare(
    connection: Connection,
    counter: InstrumentedAttribute[int],
    end: InstrumentedAttribute[int],
) -> list[Drift]:
    counted = (
        select(end.label("user_id"), func.count().label("counted"))
        .group_by(end)
        .subquery()
    )
    number = func.coalesce(counted.c.counted, 0)
    rows = connection.execute(
        select(UserCounters.user_id, User.username, counter, number)
        .join(User, User.id == UserCounters.user_id)
        .outerjoin(counted, counted.c.user_id == UserCounters.user_id)
        .where(counter != number)
        .order_by(UserCounters.user_id)
    )
    return [
        Drift(f"{username}: {counter.key}", stored, right, counter, user_id)
        for user_id, username, stored, right in rows
    ]


def _compare_users(connection: Connection) -> list[Drift]:
    # Suspended users are in no total.
    shown = select(func.count()).where(User.suspended_at.is_(None))
    right = connection.execute(shown).scalar_one()
    total = cast(func.sum(UserTotal.value), BigInteger)
    stored = connection.execute(select(total)).scalar_one()
    if stored == right:
        return []
    return [Drift("users in all", stored, right)]


# ------------------------------------------------------------------------------ repair


def repair(drifts: Sequence[Drift], holder: str) -> None:
    """Add what counters lack, in short transactions, as long as the lease is ours."""
    of_users = [drift for drift in drifts if drift.user_id is not None]
    # In ascending user id, as all who change several of them.
    of_users.sort(key=lambda drift: drift.user_id or 0)
    for batch in _batches(of_users):
        _extend(holder)
        with db.session.begin():
            for drift in batch:
                _repair_user(drift)
    _extend(holder)
    with db.session.begin():
        for drift in drifts:
            if drift.user_id is None:
                first = update(UserTotal).where(UserTotal.shard == 0)
                db.session.execute(first.values(value=UserTotal.value + drift.missing))


def _extend(holder: str) -> None:
    """Extend our lease, or stop: another process may be adding the same by now."""
    if not leases.extend(_LEASE, holder):
        raise console.Stop("It took too long, and another process repairs: try again.")


def _batches(drifts: Sequence[Drift]) -> Iterator[Sequence[Drift]]:
    for start in range(0, len(drifts), REPAIR_ROWS):
        yield drifts[start : start + REPAIR_ROWS]


def _repair_user(drift: Drift) -> None:
    assert drift.counter is not None
    db.session.execute(
        update(UserCounters)
        .where(UserCounters.user_id == drift.user_id)
        .values({drift.counter: drift.counter + drift.missing})
        .execution_options(synchronize_session=False)
    )
