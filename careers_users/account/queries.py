"""The reads of a whole account: its trail page by page, everything for an export."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import orjson
from sqlalchemy import BigInteger, Exists, bindparam, exists, or_, select

from careers_users.auth.queries import VIEWER
from careers_users.database import Query
from careers_users.models import (
    Block,
    Follow,
    Mail,
    Mute,
    RefreshToken,
    SecurityEvent,
    User,
    UserCounters,
)
from careers_users.validation.cursor import Cursor, Page, page
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
_BY_DIRECTION = {
    None: Query(_DOWN),
    "older": Query(_DOWN.where(SecurityEvent.id < bindparam("event_id"))),
    "newer": Query(
        _EVENTS.where(SecurityEvent.id > bindparam("event_id")).order_by(
            SecurityEvent.id
        )
    ),
}


# An export reads in bites of this many rows, so that it never holds many in memory.
EXPORT_BATCH = 1000

# The pairs of users that an export has.
Kind = Literal["followers", "following", "blocks", "mutes"]


def activity(user_id: int, query: Mapping[str, Any]) -> Page:
    """Return a batch of a user's trail; `query` is what ActivityQuerySchema loads."""
    size, cursor = query["batch_size"], query["cursor"]
    return page(some_events(user_id, size + 1, cursor), size, cursor, is_first=True)


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
        User.email_verified_at,
        User.pending_email,
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


_MAILS = Query(
    select(
        Mail.id,
        Mail.purpose,
        Mail.locale,
        Mail.created_at,
        Mail.state,
        Mail.used_at,
    )
    .where(Mail.user_id == bindparam("user_id"))
    .where(Mail.id > bindparam("after"))
    .order_by(Mail.id)
    .limit(EXPORT_BATCH)
)

# A user's view of the security of their account: read with the check of their token.
OWN_SECURITY = VIEWER.add_columns(
    User.password_hash,
    User.email_verified_at,
    User.mail_failed_at,
    User.pending_email,
)


def _is_blocked(blocker_id: Any, blocked_id: Any) -> Exists:
    pair = Block.blocker_id == blocker_id, Block.blocked_id == blocked_id
    return exists().where(*pair)


def _pairs(table: type[Follow | Block | Mute], mine: Any, other: Any) -> Query:
    """Return the query of the rows that a user has in a table, less suspended ends.

    Mutes are those that the user's list shows: without users who block the user, unless
    the user blocks them, too.
    """
    columns = [table.id, User.id.label("user_id"), User.username, table.created_at]
    conditions = [mine == bindparam("user_id"), User.suspended_at.is_(None)]
    if table is Mute:
        columns.append(Mute.muted_until)
        blocks_back = _is_blocked(bindparam("user_id"), User.id)
        conditions.append(or_(~_is_blocked(User.id, bindparam("user_id")), blocks_back))
    return Query(
        select(*columns)
        .join(User, User.id == other)
        .where(*conditions)
        .where(table.id > bindparam("after"))
        .order_by(table.id)
        .limit(EXPORT_BATCH)
    )


_PAIRS = {
    "followers": _pairs(Follow, Follow.following_id, Follow.follower_id),
    "following": _pairs(Follow, Follow.follower_id, Follow.following_id),
    "blocks": _pairs(Block, Block.blocker_id, Block.blocked_id),
    "mutes": _pairs(Mute, Mute.muter_id, Mute.muted_id),
}


def person(user_id: int) -> dict[str, Any] | None:
    """Return what is held of a user in one row; None if there is no such user."""
    return _PERSON.one(user_id=user_id)


def sessions(user_id: int) -> Iterator[dict[str, Any]]:
    """Yield all stored sessions of a user, also those that are over."""
    return _walk(_SESSIONS, user_id, "")


def mails(user_id: int) -> Iterator[dict[str, Any]]:
    """Yield all stored mail to a user, the oldest first."""
    return _walk(_MAILS, user_id, 0)


def pairs(user_id: int, kind: Kind) -> Iterator[dict[str, Any]]:
    """Yield all that a user has of a kind, the oldest first."""
    return _walk(_PAIRS[kind], user_id, 0)


def events(user_id: int) -> Iterator[dict[str, Any]]:
    """Yield the whole trail of a user, the oldest event first."""
    place = Cursor("newer", 0)
    while rows := some_events(user_id, EXPORT_BATCH, place):
        yield from rows
        place = Cursor("newer", rows[-1]["id"])


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


def some_events(
    user_id: int, size: int, cursor: Cursor | None = None
) -> list[dict[str, Any]]:
    """Return `size` events of a user from a cursor on; without one, the newest."""
    direction = None if cursor is None else cursor.direction
    place = {} if cursor is None else {"event_id": cursor.row_id}
    rows = _BY_DIRECTION[direction].all(user_id=user_id, size=size, **place)
    return [{**row, "details": orjson.loads(row["details"])} for row in rows]
