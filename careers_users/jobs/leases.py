"""The leases of jobs: rows of the table `jobs`, by which one process runs a job.

A lease that its holder does not extend expires, so a killed process blocks nothing.
Times are by the clocks of the processes, which `careers-users check` compares with the
database's; a clock that is ahead may have a job run twice at once, which jobs bear.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Insert, bindparam, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from careers_users import clock, database
from careers_users.database import Query
from careers_users.models import JobLease

# Several times what one step of a job may take: a statement has 30 seconds by default.
LEASE_SECONDS = 300
# Between a failure and the next attempt.
RETRY_SECONDS = 60


@dataclass(frozen=True)
class State:
    """How a job stands, as the database has it."""

    due_at: datetime
    holder: str | None = None
    leased_until: datetime | None = None
    succeeded_at: datetime | None = None
    seconds: float | None = None
    failures: int = 0

    def is_free(self, now: datetime) -> bool:
        """Return whether no process runs the job, or waits to try it again."""
        return self.leased_until is None or self.leased_until <= now


def states(engine: Engine) -> dict[str, State]:
    """Return the states of all jobs that have ever been due, by name.

    Raises SQLAlchemyError if the database can't be asked.
    """
    with engine.connect() as connection:
        rows = connection.execute(_STATES).mappings().all()
    return {row["name"]: State(**{k: row[k] for k in _FIELDS}) for row in rows}


def claim(name: str, holder: str, *, even_if_early: bool = False) -> bool:
    """Take the lease of a job if it is free and the job is due; return whether it is.

    With `even_if_early` the job need not be due, and a failure just now is passed over.
    """
    queries = _CLAIM_EARLY if even_if_early else _CLAIM
    kind = "sqlite" if database.is_sqlite() else "postgresql"
    now = clock.utcnow()
    until = _after(now, LEASE_SECONDS)
    return _write(queries[kind], job=name, by=holder, now=now, until=until)


def extend(name: str, holder: str) -> bool:
    """Extend the holder's lease; return whether it still had it."""
    until = _after(clock.utcnow(), LEASE_SECONDS)
    return _write(_EXTEND, job=name, by=holder, until=until)


def release(name: str, holder: str) -> None:
    """Give the lease back with the job half done; another process may go on."""
    _write(_EXTEND, job=name, by=holder, until=clock.utcnow())


def succeed(name: str, holder: str, seconds: float, interval: timedelta) -> None:
    """Give the lease back and write down a success."""
    now = clock.utcnow()
    values: dict[str, Any] = {"now": now, "next": now + interval, "took": seconds}
    _write(_SUCCEED, job=name, by=holder, **values)


def fail(name: str, holder: str) -> None:
    """Write down a failure; the job is due again after RETRY_SECONDS."""
    until = _after(clock.utcnow(), RETRY_SECONDS)
    _write(_FAIL, job=name, by=holder, until=until)


def _after(now: datetime, seconds: int) -> datetime:
    return now + timedelta(seconds=seconds)


def _write(query: Query, **values: Any) -> bool:
    """Run a statement in a transaction; return whether it has written a row."""
    with database.transaction() as transaction:
        return bool(transaction.execute(query, **values))


_FIELDS = State.__dataclass_fields__
_STATES = select(JobLease.name, *(getattr(JobLease, name) for name in _FIELDS))


def _claim(insert: Any, *, even_if_early: bool) -> Query:
    new = insert(JobLease).values(
        name=bindparam("job"),
        due_at=bindparam("now"),
        holder=bindparam("by"),
        leased_until=bindparam("until"),
        failures=0,
    )
    expired = JobLease.leased_until <= new.excluded.due_at
    is_free = or_(JobLease.holder.is_(None), JobLease.leased_until.is_(None), expired)
    if not even_if_early:
        is_due = JobLease.due_at <= new.excluded.due_at
        is_free = is_due & or_(JobLease.leased_until.is_(None), expired)
    statement: Insert = new.on_conflict_do_update(
        index_elements=[JobLease.name],
        set_={"holder": new.excluded.holder, "leased_until": new.excluded.leased_until},
        where=is_free,
    ).returning(JobLease.name)
    return Query(statement)


_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_CLAIM, _CLAIM_EARLY = (
    {kind: _claim(insert, even_if_early=early) for kind, insert in _INSERTS.items()}
    for early in (False, True)
)
_HELD = (
    update(JobLease)
    .where(JobLease.name == bindparam("job"))
    .where(JobLease.holder == bindparam("by"))
    .returning(JobLease.name)
)
_EXTEND = Query(_HELD.values(leased_until=bindparam("until")))
_SUCCEED = Query(
    _HELD.values(
        holder=None,
        leased_until=None,
        due_at=bindparam("next"),
        succeeded_at=bindparam("now"),
        seconds=bindparam("took"),
        failures=0,
    )
)
_FAIL = Query(
    _HELD.values(
        holder=None, leased_until=bindparam("until"), failures=JobLease.failures + 1
    )
)
