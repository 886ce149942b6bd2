"""The audit trail is written here: one row for each event, in the transaction it tells.

`security_log` says the same in the log. A row never holds a secret, nor what somebody
typed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from threading import Lock
from typing import Any

import orjson
from flask import current_app
from sqlalchemy import CursorResult, Insert, bindparam, delete, insert, select

from careers_users import clock, http, security_log
from careers_users.database import is_sqlite
from careers_users.device import Device
from careers_users.extensions import db
from careers_users.models import SecurityEvent
from careers_users.statements import New, Transaction, UsualTransaction

# What strangers can cause at will is written once in this time for each account; the
# next row says how many there were in between.
REPEAT_SECONDS = 60
# Accounts for which that is remembered, per process. When all of them have had a row in
# the last minute, further ones have to wait: a bound on what strangers make us write.
REPEATS_MAX = 1000
PRUNE_BATCH = 1000
_EXTENSION = "careers_users.audit"


class Repeats:
    """Remembers, within bounds, when an event of strangers was last written."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._written: dict[tuple[int, str], tuple[datetime, int]] = {}

    def admit(self, user_id: int, event: str, now: datetime) -> int | None:
        """Return how many went unwritten since the last row; None: this one does too.

        `now` is the present moment.
        """
        key, quiet = (user_id, event), timedelta(seconds=REPEAT_SECONDS)
        with self._lock:
            written, unwritten = self._written.get(key, (None, 0))
            if written is not None and now - written < quiet:
                self._written[key] = written, unwritten + 1
                return None
            if len(self._written) >= REPEATS_MAX:
                self._written = {
                    other: (at, count)
                    for other, (at, count) in self._written.items()
                    if now - at < quiet
                }
                if len(self._written) >= REPEATS_MAX:
                    return None
            self._written[key] = now, 0
            return unwritten


def record(
    event: str,
    user_id: int,
    device: Device,
    *,
    beside: New | None = None,
    within: Transaction | None = None,
    **details: object,
) -> None:
    """Add an event to the trail of a user. The caller commits.

    `beside` is the row that the event is about, to be inserted too: on PostgreSQL in
    the same statement, so that a login is no round trip longer. `within` a transaction,
    or else that of the ORM's session.
    """
    transaction = within or UsualTransaction(db.session.connection())
    statement = _ADD
    values = {
        "of": user_id,
        "what": event,
        "moment": clock.utcnow(),
        "from_address": device.address,
        "with_agent": device.user_agent,
        "more": orjson.dumps(details).decode(),
    }
    if beside is not None and is_sqlite():
        transaction.execute(*beside)
    elif beside is not None:
        statement, values = _add_with(beside.statement), {**beside.values, **values}
    transaction.execute(statement, values)


_ADD = insert(SecurityEvent).values(
    user_id=bindparam("of"),
    event=bindparam("what"),
    created_at=bindparam("moment"),
    address=bindparam("from_address"),
    user_agent=bindparam("with_agent"),
    details=bindparam("more"),
)


@cache
def _add_with(row: Insert) -> Insert:
    return _ADD.add_cte(row.cte("beside"))


def record_repeated(event: str, user_id: int, device: Device) -> None:
    """Add an event that may come in floods, in a transaction of its own; and log it.

    At most one a minute for each user (and process). Written after the reply has been
    sent, so that a client can't tell by the time whether there is such an account.
    """
    security_log.record(event, user_id)
    repeats: Repeats = current_app.extensions.setdefault(_EXTENSION, Repeats())
    unwritten = repeats.admit(user_id, event, clock.utcnow())
    if unwritten is not None:
        details = {"unrecorded_before": unwritten} if unwritten else {}
        http.afterwards(_alone(event, user_id, device, details))


def _alone(
    event: str, user_id: int, device: Device, details: dict[str, Any]
) -> Callable[[], None]:
    def write() -> None:
        with db.session.begin():
            record(event, user_id, device, **details)

    return write


_PRUNE = delete(SecurityEvent).where(
    SecurityEvent.id.in_(
        select(SecurityEvent.id)
        .where(SecurityEvent.created_at < bindparam("before"))
        .limit(PRUNE_BATCH)
        .with_for_update(skip_locked=True)
    )
)


def prune_batch() -> int:
    """Delete up to a batch of events past their retention; return how many.

    The caller commits.
    """
    retention = timedelta(days=current_app.config["AUDIT_RETENTION_DAYS"])
    result = db.session.execute(
        _PRUNE,
        {"before": clock.utcnow() - retention},
        execution_options={"synchronize_session": False},
    )
    assert isinstance(result, CursorResult)
    return result.rowcount
