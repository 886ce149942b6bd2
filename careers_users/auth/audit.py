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

from careers_users import clock, database
from careers_users.auth.device import Device
from careers_users.database import Query, Row, Transaction
from careers_users.extensions import db
from careers_users.http import context
from careers_users.models import SecurityEvent, User
from careers_users.observability import security_log

# What can come in floods is written once in this time for each account and event; the
# next row says how many there were in between, unless that had to be forgotten.
REPEAT_SECONDS = 60
# What can be caused without a token. All else that repeats is a viewer's own doing, and
# nobody else may keep it out of the trail.
OF_STRANGERS = ("login_failed",)
# Accounts for which that is remembered, per process. When all of them have had a row in
# the last minute, further ones get none, and nobody counts how many that were: a bound
# on what strangers make us write. The log has them all. Viewers all get theirs; beyond
# this number, those of more than a minute ago are forgotten.
REPEATS_MAX = 1000
PRUNE_BATCH = 1000
_EXTENSION = "careers_users.audit"

# By account and event: when it was last written, and how many were not since.
_Written = dict[tuple[int, str], tuple[datetime, int]]


class Repeats:
    """Remembers, within bounds, when an event that repeats was last written."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._of_strangers: _Written = {}
        self._of_viewers: _Written = {}

    def admit(self, user_id: int, event: str, now: datetime) -> int | None:
        """Return how many went unwritten since the last row; None: this one does too.

        `now` is the present moment.
        """
        key, is_strangers = (user_id, event), event in OF_STRANGERS
        with self._lock:
            known = self._of_strangers if is_strangers else self._of_viewers
            written, unwritten = known.get(key, (None, 0))
            if written is not None and _is_recent(written, now):
                known[key] = written, unwritten + 1
                return None
            if len(known) >= REPEATS_MAX:
                _forget_old(known, now)
                if is_strangers and len(known) >= REPEATS_MAX:
                    return None
            known[key] = now, 0
            return unwritten


def _is_recent(written: datetime, now: datetime) -> bool:
    return now - written < timedelta(seconds=REPEAT_SECONDS)


def _forget_old(known: _Written, now: datetime) -> None:
    for key, (written, _) in [*known.items()]:
        if not _is_recent(written, now):
            del known[key]


def record(
    event: str,
    user_id: int,
    device: Device,
    *,
    beside: tuple[Query, Row] | None = None,
    within: Transaction | None = None,
    **details: object,
) -> None:
    """Add an event to the trail of a user. The caller commits.

    `beside` is an INSERT, with its values, of the row that the event is about: on
    PostgreSQL made in the same statement, so that a login is no round trip longer.
    `within` a transaction, or else that of the ORM's session.
    """
    transaction = within or Transaction(db.session.connection())
    query = _ADD
    values = {
        "of": user_id,
        "what": event,
        "moment": clock.utcnow(),
        "from_address": device.address,
        "with_agent": device.user_agent,
        "more": orjson.dumps(details).decode(),
    }
    if beside is not None:
        other, others = beside
        if database.is_sqlite():
            transaction.defer(other, **others)
        else:
            query, values = _add_with(other), {**others, **values}
    transaction.defer(query, **values)


_ADD_EVENT = insert(SecurityEvent).values(
    user_id=bindparam("of"),
    event=bindparam("what"),
    created_at=bindparam("moment"),
    address=bindparam("from_address"),
    user_agent=bindparam("with_agent"),
    details=bindparam("more"),
)
_ADD = Query(_ADD_EVENT)


@cache
def _add_with(other: Query) -> Query:
    assert isinstance(other.statement, Insert)
    return Query(_ADD_EVENT.add_cte(other.statement.cte("beside")))


def record_repeated(event: str, user_id: int, device: Device) -> None:
    """Add an event that may come in floods, in a transaction of its own; and log it.

    At most one a minute for each user (and process); none if strangers cause it for too
    many users at once. Written after the reply has been sent, so that a client can't
    tell by the time whether there is such an account.
    """
    security_log.record(event, user_id)
    repeats: Repeats = current_app.extensions.setdefault(_EXTENSION, Repeats())
    unwritten = repeats.admit(user_id, event, clock.utcnow())
    if unwritten is not None:
        details = {"unrecorded_before": unwritten} if unwritten else {}
        context.afterwards(_alone(event, user_id, device, details))


def _alone(
    event: str, user_id: int, device: Device, details: dict[str, Any]
) -> Callable[[], None]:
    def write() -> None:
        with db.session.begin():
            if hold_user(user_id):
                record(event, user_id, device, **details)

    return write


def hold_user(user_id: int) -> bool:
    """Keep a user from being deleted until the commit; tell whether there still is one.

    For events that change nothing of the user's: nothing else in their transaction
    notices that the account is gone, and the rows do not refer to it.
    """
    # On SQLite the whole database is ours already.
    held = select(User.id).where(User.id == user_id)
    held = held.with_for_update(read=True, key_share=True)
    return db.session.execute(held).scalar_one_or_none() is not None


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
