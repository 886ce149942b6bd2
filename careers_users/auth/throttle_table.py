"""The statements on the table of tries. `throttle` and `repeats` say what they mean."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    bindparam,
    case,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from careers_users import database
from careers_users.database import Query, Row, Transaction
from careers_users.models import Throttle

# In which one try counts.
BUCKETS_MAX = 5


def count(
    transaction: Transaction, seconds: Mapping[str, int], now: datetime
) -> Sequence[Row]:
    """Count a try under each key, whose window lasts so many seconds; return the rows.

    A window that has ended begins anew with this try.
    """
    values: dict[str, object] = {"now": now}
    # In one order, so that no two reservations wait for each other.
    for n, key in enumerate(sorted(seconds)):
        until = now + timedelta(seconds=seconds[key])
        values |= {f"key_{n}": key, f"until_{n}": until}
    query = _count_query(len(seconds), on_sqlite=database.is_sqlite())
    return transaction.execute(query, **values)


def take_off(
    transaction: Transaction, keys: Sequence[str], made_at: datetime, cleared: str = ""
) -> None:
    """Count a try less under each key; none at all under the one that is `cleared`.

    Call it last in a transaction: others at the same address wait for these rows until
    it commits.
    """
    # A row that is named twice is one row.
    filled = [*keys, *[keys[-1]] * (BUCKETS_MAX - len(keys))]
    named = {f"key_{n}": key for n, key in enumerate(filled)}
    transaction.defer(_TAKE_OFF, **named, cleared=cleared, made_at=made_at)


def repeat(transaction: Transaction, key: str, now: datetime, until: datetime) -> Row:
    """Count a repetition; return how many there are, and since when.

    The first is none, so that makes 0.
    """
    query = _repeat_query(on_sqlite=database.is_sqlite())
    return transaction.execute(query, key_0=key, now=now, until_0=until)[0]


def begin_again(
    transaction: Transaction, key: str, now: datetime, until: datetime
) -> None:
    """Set the number of repetitions to 0, from now on."""
    transaction.defer(_BEGIN_AGAIN, key_0=key, begins=now, until_0=until)


def _key_parameter(number: int) -> BindParameter[str]:
    # In a list nothing else says its type.
    return bindparam(f"key_{number}", type_=Throttle.key.type)


def _new_rows(rows: int, used: int, *, on_sqlite: bool) -> Any:
    new: Any = (sqlite if on_sqlite else postgresql).insert(Throttle)
    return new.values(
        [
            {
                "key": _key_parameter(n),
                "used": literal(used, Throttle.used.type),
                # Only those of the first row have their type by the column's.
                "started_at": bindparam("now", type_=Throttle.started_at.type),
                "expires_at": bindparam(f"until_{n}", type_=Throttle.expires_at.type),
            }
            for n in range(rows)
        ]
    )


@cache
def _count_query(buckets: int, *, on_sqlite: bool) -> Query:
    """Return the upsert for so many; its values are `now`, `key_0`, `until_0` etc."""
    new = _new_rows(buckets, 1, on_sqlite=on_sqlite)
    is_over = Throttle.expires_at <= new.excluded.started_at
    statement = new.on_conflict_do_update(
        index_elements=[Throttle.key],
        set_={
            "used": case((is_over, 1), else_=Throttle.used + 1),
            "started_at": case(
                (is_over, new.excluded.started_at), else_=Throttle.started_at
            ),
            "expires_at": case(
                (is_over, new.excluded.expires_at), else_=Throttle.expires_at
            ),
        },
    ).returning(Throttle.key, Throttle.used, Throttle.started_at, Throttle.expires_at)
    return Query(statement)


# Only in the window in which they were counted; locked in the order of `count`.
_TAKE_OFF = Query(
    update(Throttle)
    .where(
        Throttle.key.in_(
            select(Throttle.key)
            .where(Throttle.key.in_([_key_parameter(n) for n in range(BUCKETS_MAX)]))
            .order_by(Throttle.key)
            .with_for_update()
        )
    )
    .where(Throttle.started_at <= bindparam("made_at"))
    .where(Throttle.used > 0)
    .values(
        used=case((Throttle.key == bindparam("cleared"), 0), else_=Throttle.used - 1)
    )
    .execution_options(synchronize_session=False)
)


@cache
def _repeat_query(*, on_sqlite: bool) -> Query:
    new = _new_rows(1, 0, on_sqlite=on_sqlite)
    statement = new.on_conflict_do_update(
        index_elements=[Throttle.key], set_={"used": Throttle.used + 1}
    ).returning(Throttle.used, Throttle.started_at)
    return Query(statement)


_BEGIN_AGAIN = Query(
    update(Throttle)
    .where(Throttle.key == _key_parameter(0))
    .values(used=0, started_at=bindparam("begins"), expires_at=bindparam("until_0"))
    .execution_options(synchronize_session=False)
)
