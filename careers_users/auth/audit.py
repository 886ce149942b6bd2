"""The audit trail and the security log: one call writes an event to both.

A row for each event is written in the transaction that it tells of, and a line is
logged once that has committed. Neither holds a secret, nor a text that a client typed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Insert, bindparam, insert, or_, select

from careers_users import clock, database
from careers_users.auth import repeats
from careers_users.auth.device import Device
from careers_users.database import Query, Row, Transaction
from careers_users.extensions import db
from careers_users.http.json import OrjsonProvider
from careers_users.models import SecurityEvent, User
from careers_users.observability import security_log

# Stands for the user where there is none, as of a failed login by an unknown name.
NO_USER = 0


class Trail:
    """The events of one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self._lines: list[tuple[str, int | None, dict[str, object]]] = []

    def record(
        self, event: str, user_id: int, device: Device, **details: object
    ) -> None:
        """Add an event to the trail of a user."""
        self.transaction.defer(_ADD, **_row(event, user_id, device, details))
        self._lines.append((event, user_id, details))

    def record_with(
        self, new: Query, values: Row, event: str, user_id: int, device: Device
    ) -> bool:
        """Insert the row that an event is about, with its values, and the event.

        Return False, and add neither, if the insert finds that there is to be no row.
        On PostgreSQL both are one statement, so that a login is no round trip longer.
        """
        row = _row(event, user_id, device, {})
        if database.is_sqlite():
            is_added = bool(self.transaction.execute(new, **values))
            if is_added:
                self.transaction.execute(_ADD, **row)
        else:
            both = _add_with(new)
            is_added = bool(self.transaction.execute(both, **values, **row))
        if is_added:
            self._lines.append((event, user_id, {}))
        return is_added

    def record_repeated(
        self,
        event: str,
        user_id: int,
        device: Device,
        whom: tuple[object, ...] | None = None,
    ) -> None:
        """Add an event that can be caused again and again: at most one in a while.

        The next row says how many have gone unrecorded, as far as that is remembered;
        the log has a line for each. `whom` is what is counted together, by default the
        user. Nothing is added for a user who has been deleted meanwhile, and none can
        be deleted before the commit.
        """
        unrecorded = repeats.admit(self.transaction, event, whom or (user_id,))
        if unrecorded is not None:
            details = {"unrecorded_before": unrecorded} if unrecorded else {}
            row = _row(event, user_id, device, details)
            self.transaction.defer(_ADD_IF_THERE, **row)
        self._lines.append((event, user_id or None, {}))

    def log(self) -> None:
        """Log the events; their transaction has committed."""
        for event, user_id, details in self._lines:
            security_log.record(event, user_id, **details)


@contextmanager
def transaction() -> Iterator[Trail]:
    """Give the trail of a transaction of the ORM's session, which begins and ends."""
    with db.session.begin():
        trail = Trail(Transaction(db.session.connection()))
        yield trail
    trail.log()


@contextmanager
def short_transaction() -> Iterator[Trail]:
    """Give the trail of a transaction as `database.transaction` makes them."""
    with database.transaction() as opened:
        trail = Trail(opened)
        yield trail
    trail.log()


def _row(
    event: str, user_id: int, device: Device, details: dict[str, Any]
) -> dict[str, object]:
    return {
        "of": user_id,
        "what": event,
        "moment": clock.utcnow(),
        "from_address": device.address,
        "with_agent": device.user_agent,
        "more": orjson.dumps(details, option=OrjsonProvider.OPTIONS).decode(),
    }


_VALUES = {
    SecurityEvent.user_id: bindparam("of", type_=SecurityEvent.user_id.type),
    SecurityEvent.event: bindparam("what", type_=SecurityEvent.event.type),
    SecurityEvent.created_at: bindparam("moment", type_=SecurityEvent.created_at.type),
    SecurityEvent.address: bindparam("from_address", type_=SecurityEvent.address.type),
    SecurityEvent.user_agent: bindparam(
        "with_agent", type_=SecurityEvent.user_agent.type
    ),
    SecurityEvent.details: bindparam("more", type_=SecurityEvent.details.type),
}
_COLUMNS = [column.key for column in _VALUES]
_ADD = Query(insert(SecurityEvent).values(_VALUES))
_HELD = (
    select(User.id)
    .where(User.id == bindparam("of"))
    .with_for_update(read=True, key_share=True)
    .scalar_subquery()
)
_ADD_IF_THERE = Query(
    insert(SecurityEvent).from_select(
        _COLUMNS,
        select(*_VALUES.values()).where(
            or_(
                bindparam("of", type_=SecurityEvent.user_id.type) == NO_USER,
                _HELD.is_not(None),
            )
        ),
    )
)


@cache
def _add_with(new: Query) -> Query:
    assert isinstance(new.statement, Insert)
    added = new.statement.cte("added")
    return Query(
        insert(SecurityEvent)
        .from_select(_COLUMNS, select(*_VALUES.values()).select_from(added))
        .returning(SecurityEvent.id)
    )


def hold_user(user_id: int) -> bool:
    """Keep a user from being deleted until the commit; return whether there is one.

    For events that change nothing of the user's: nothing else in their transaction
    fails if the account is gone, and the rows do not refer to it.
    """
    # On SQLite the whole database is ours already.
    held = select(User.id).where(User.id == user_id)
    held = held.with_for_update(read=True, key_share=True)
    return db.session.execute(held).scalar_one_or_none() is not None
