"""What is read of a whole account: its trail page by page, everything for an export."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import BigInteger, bindparam, select

from careers_users.database import Query
from careers_users.models import Follow, RefreshToken, SecurityEvent, User, UserCounters
from careers_users.validation.cursor import Cursor
from careers_users.validation.usernames import identity

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
_DOWN = _EVENTS.order_by(SecurityEvent.id.desc())
_NEWEST = Query(_DOWN)
_OLDER = Query(_DOWN.where(SecurityEvent.id < bindparam("event_id")))
_NEWER = Query(
    _EVENTS.where(SecurityEvent.id > bindparam("event_id")).order_by(SecurityEvent.id)
)


# An export reads in bites of this many rows, so that it never holds many in memory.
EXPORT_BATCH = 1000

Side = Literal["followers", "following"]


@dataclass(frozen=True)
class Page:
    """A batch of the trail, newest first, and the places before and after it."""

    rows: list[dict[str, Any]]
    newer: Cursor | None
    older: Cursor | None


def activity(user_id: int, query: Mapping[str, Any]) -> Page:
    """Return a batch of a user's trail; `query` is what ActivityQuerySchema loads."""
    cursor: Cursor | None = query["cursor"]
    size = query["batch_size"]
    # One row more than the batch tells whether there is a batch after it.
    if cursor is None:
        found = newest_events(user_id, size + 1)
    elif cursor.direction == "older":
        found = older_events(user_id, size + 1, cursor.edge_id)
    else:
        found = newer_events(user_id, size + 1, cursor.edge_id)
    rows, has_more = list(found[:size]), len(found) > size
    if cursor is not None and cursor.direction == "newer":
        rows.reverse()
        newer, older = has_more, True
    else:
        newer, older = cursor is not None, has_more
    if not rows:
        return Page([], None, None)
    return Page(
        rows=rows,
        newer=Cursor("newer", rows[0]["id"]) if newer else None,
        older=Cursor("older", rows[-1]["id"]) if older else None,
    )


_PERSON = Query(
    select(
        User.id,
        User.username,
        User.email,
        User.first_name,
        User.last_name,
        User.bio,
        User.avatar,
        User.is_active,
        User.created_at,
        User.updated_at,
        UserCounters.posts_count,
        UserCounters.followers_count,
        UserCounters.following_count,
        UserCounters.likes_received,
        UserCounters.comments_received,
    )
    .join(UserCounters, UserCounters.user_id == User.id)
    .where(User.id == bindparam("user_id"))
)

_SESSIONS = Query(
    select(
        RefreshToken.id,
        RefreshToken.user_agent.label("device"),
        RefreshToken.address,
        RefreshToken.created_at,
        RefreshToken.last_used_at,
        RefreshToken.expires_at,
        RefreshToken.revoked_at.label("ended_at"),
        RefreshToken.revoked_reason.label("ended_reason"),
    )
    .where(RefreshToken.user_id == bindparam("user_id"))
    .where(RefreshToken.id > bindparam("after"))
    .order_by(RefreshToken.id)
    .limit(EXPORT_BATCH)
)


def _edges(side: Side) -> Query:
    mine, other = Follow.follower_id, Follow.following_id
    if side == "followers":
        mine, other = other, mine
    return Query(
        select(Follow.id, User.id.label("user_id"), User.username, Follow.created_at)
        .join(User, User.id == other)
        .where(mine == bindparam("user_id"))
        .where(Follow.id > bindparam("after"))
        .order_by(Follow.id)
        .limit(EXPORT_BATCH)
    )


_EDGES = {"followers": _edges("followers"), "following": _edges("following")}


def person(user_id: int) -> dict[str, Any] | None:
    """Return what is held of a user in one row; None if there is no such user."""
    return _PERSON.one(user_id=user_id)


def sessions(user_id: int) -> Iterator[dict[str, Any]]:
    """Yield all stored sessions of a user, also those that are over."""
    return _walk(_SESSIONS, user_id, "")


def edges(user_id: int, side: Side) -> Iterator[dict[str, Any]]:
    """Yield all edges of a user's side, the oldest first."""
    return _walk(_EDGES[side], user_id, 0)


def events(user_id: int) -> Iterator[dict[str, Any]]:
    """Yield the whole trail of a user, the oldest event first."""
    last = 0
    while rows := newer_events(user_id, EXPORT_BATCH, last):
        yield from rows
        last = rows[-1]["id"]


def _walk(query: Query, user_id: int, after: int | str) -> Iterator[dict[str, Any]]:
    while True:
        rows = query.all(user_id=user_id, after=after)
        yield from rows
        if len(rows) < EXPORT_BATCH:
            return
        after = rows[-1]["id"]


_ID_BY_USERNAME = Query(select(User.id).where(User.username_key == bindparam("key")))
_ID_BY_EMAIL = Query(select(User.id).where(User.email_key == bindparam("key")))


def user_id(name: str) -> int | None:
    """Return the number of the user with that username or e-mail address, if any."""
    key = identity(name)
    if key is None:
        return None
    query = _ID_BY_EMAIL if "@" in key else _ID_BY_USERNAME
    row = query.one(key=key)
    return None if row is None else row["id"]


def newest_events(user_id: int, size: int) -> Sequence[dict[str, Any]]:
    """Return a user's last `size` events, newest first."""
    return _fetch(_NEWEST, user_id, size)


def older_events(user_id: int, size: int, event_id: int) -> Sequence[dict[str, Any]]:
    """Return the `size` events before the one of that number, newest first."""
    return _fetch(_OLDER, user_id, size, event_id=event_id)


def newer_events(user_id: int, size: int, event_id: int) -> Sequence[dict[str, Any]]:
    """Return the `size` events after the one of that number, oldest first."""
    return _fetch(_NEWER, user_id, size, event_id=event_id)


def _fetch(
    query: Query, user_id: int, size: int, **place: int
) -> Sequence[dict[str, Any]]:
    rows = query.all(user_id=user_id, size=size, **place)
    return [{**row, "details": orjson.loads(row["details"])} for row in rows]
