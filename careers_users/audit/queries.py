"""The audit trail is read here."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import BigInteger, bindparam, select

from careers_users import database
from careers_users.models import SecurityEvent

_EVENTS = (
    select(
        SecurityEvent.id,
        SecurityEvent.event,
        SecurityEvent.created_at,
        SecurityEvent.address,
        SecurityEvent.user_agent.label("device"),
        SecurityEvent.details,
    )
    .where(SecurityEvent.user_id == bindparam("user_id"))
    .limit(bindparam("size", type_=BigInteger()))
)
_NEWEST = _EVENTS.order_by(SecurityEvent.id.desc())
_OLDER = _NEWEST.where(SecurityEvent.id < bindparam("event_id"))
_NEWER = _EVENTS.where(SecurityEvent.id > bindparam("event_id")).order_by(
    SecurityEvent.id
)


def newest(user_id: int, size: int) -> Sequence[dict[str, Any]]:
    """Return a user's last `size` events, newest first."""
    return _fetch(_NEWEST, user_id, size)


def older(user_id: int, size: int, event_id: int) -> Sequence[dict[str, Any]]:
    """Return the `size` events before the one of that number, newest first."""
    return _fetch(_OLDER, user_id, size, event_id=event_id)


def newer(user_id: int, size: int, event_id: int) -> Sequence[dict[str, Any]]:
    """Return the `size` events after the one of that number, oldest first."""
    return _fetch(_NEWER, user_id, size, event_id=event_id)


def _fetch(
    statement: Any, user_id: int, size: int, **place: int
) -> Sequence[dict[str, Any]]:
    rows = database.fetch_all(statement, {"user_id": user_id, "size": size, **place})
    return [{**row, "details": orjson.loads(row["details"])} for row in rows]
