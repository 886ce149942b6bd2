"""The reads of accounts that only commands need."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select, union_all
from sqlalchemy.orm import aliased

from careers_users import clock, database
from careers_users.database import Query, Row
from careers_users.models import (
    Follow,
    ParkedFollow,
    RefreshToken,
    ReservedUsername,
    SecurityEvent,
    User,
    UserCounters,
)
from careers_users.validation.folding import identity
from careers_users.validation.words import needles

# Rows of a long list that are read at once.
CHUNK = 1000
STATUSES = ("active", "inactive", "suspended")

_LISTED = (
    User.id,
    User.username,
    User.email,
    User.first_name,
    User.last_name,
    User.is_active,
    User.suspended_at,
    User.created_at,
)


_LISTING = select(*_LISTED)
_IS_SUSPENDED = User.suspended_at.is_not(None)
_HAS_STATUS = {
    "active": User.is_active & ~_IS_SUSPENDED,
    "inactive": ~User.is_active & ~_IS_SUSPENDED,
    "suspended": _IS_SUSPENDED,
}


_EXPORT = select(
    User.id,
    User.username,
    User.email,
    User.password_hash.label("password"),
    User.first_name,
    User.last_name,
    User.bio,
    User.avatar,
    User.is_active,
    User.email_verified_at.is_not(None).label("email_verified"),
    User.created_at,
    User.updated_at,
    User.suspended_at,
    User.suspended_until,
    User.suspension_reason,
    User.suspension_note,
)


_DETAILS = Query(
    select(
        *_LISTED,
        User.bio,
        User.avatar,
        User.updated_at,
        User.email_verified_at,
        User.mail_failed_at,
        User.pending_email,
        User.suspended_until,
        User.suspension_reason,
        User.suspension_note,
        select(func.count())
        .where(ParkedFollow.user_id == User.id)
        .scalar_subquery()
        .label("parked_follows"),
        User.password_hash,
        UserCounters.followers_count,
        UserCounters.following_count,
        func.count(RefreshToken.id).label("sessions"),
        func.max(RefreshToken.last_used_at).label("last_used_at"),
    )
    .join(UserCounters, UserCounters.user_id == User.id)
    .outerjoin(
        RefreshToken,
        (RefreshToken.user_id == User.id)
        & RefreshToken.revoked_at.is_(None)
        & (RefreshToken.expires_at > bindparam("now")),
    )
    .where(User.id == bindparam("user_id"))
    .group_by(User.id, UserCounters.user_id)
)


def listing(
    *, search: str = "", inactive: bool = False, status: str | None = None
) -> Iterator[Row]:
    """Yield accounts by number, for `users list`; `search` as in the directory.

    With a `status` of STATUSES, only those; with `inactive`, only deactivated ones.
    """
    statement = _LISTING
    if found := needles(search):
        # Not LIKE, for which SQLite has no capital letters, as the marks of words are.
        position = func.instr if database.is_sqlite() else func.strpos
        matches = and_(*(position(User.search_text, n) > 0 for n in found))
        if (key := identity(search)) is not None:
            matches |= User.email_key.contains(key, autoescape=True)
        statement = statement.where(matches)
    if inactive:
        statement = statement.where(~User.is_active)
    if status is not None:
        statement = statement.where(_HAS_STATUS[status])
    return _chunks(statement)


def export() -> Iterator[Row]:
    """Yield everything that `users import` reads back, hashes included, by number."""
    return _chunks(_EXPORT)


def _chunks(statement: Select[*tuple[Any, ...]], key: Any = User.id) -> Iterator[Row]:
    statement = statement.where(key > bindparam("after"))
    statement = statement.order_by(key).limit(CHUNK)
    after = 0
    while rows := database.fetch(statement, {"after": after}):
        yield from rows
        after = rows[-1]["id"]


def details(user_id: int) -> Row | None:
    """Return what an operator may want to know of an account, its hash included."""
    return _DETAILS.one(user_id=user_id, now=clock.utcnow())


def number_of_users() -> int:
    """Return how many users there are."""
    rows = database.fetch(select(func.count().label("users")).select_from(User))
    number: int = rows[0]["users"]
    return number


def keys_among(usernames: Sequence[str], emails: Sequence[str]) -> Sequence[Row]:
    """Return number, folded name and address of the users who have one of these."""
    return database.fetch(
        select(User.id, User.username_key, User.email_key).where(
            User.username_key.in_(usernames) | User.email_key.in_(emails)
        )
    )


def reserved(usernames: Sequence[str]) -> Select[str]:
    """Return the SELECT of the folded names among these that are reserved now."""
    return (
        select(ReservedUsername.username_key)
        .where(ReservedUsername.username_key.in_(usernames))
        .where(ReservedUsername.expires_at > clock.utcnow())
    )


def reserved_among(usernames: Sequence[str]) -> set[str]:
    """Return the folded names among these that are reserved for a deleted account."""
    rows = database.fetch(reserved(usernames))
    return {row["username_key"] for row in rows}


def ids_used_among(ids: Sequence[int]) -> set[int]:
    """Return the numbers among these of users, also of deleted ones with a trail."""
    users = database.fetch(select(User.id).where(User.id.in_(ids)))
    events = database.fetch(
        select(SecurityEvent.user_id.label("id"))
        .where(SecurityEvent.user_id.in_(ids))
        .distinct()
    )
    return {row["id"] for row in (*users, *events)}


def ids_by_name() -> Iterator[Row]:
    """Yield number and folded name of all users, by number."""
    return _chunks(select(User.id, User.username_key))


def follows() -> Iterator[Row]:
    """Yield all edges with the names at their ends, in the order of their numbers.

    Also those that are parked; in one statement, so that none is missed on its way.
    """
    edges = union_all(*(_edges(table) for table in (Follow, ParkedFollow))).subquery()
    follower, following = aliased(User), aliased(User)
    statement = (
        select(
            edges.c.id,
            follower.username.label("follower"),
            following.username.label("following"),
            edges.c.created_at,
        )
        .join(follower, follower.id == edges.c.follower_id)
        .join(following, following.id == edges.c.following_id)
    )
    return _chunks(statement, edges.c.id)


def _edges(table: type[Follow] | type[ParkedFollow]) -> Select[*tuple[Any, ...]]:
    columns = table.id, table.follower_id, table.following_id, table.created_at
    return select(*columns)


def number_of_follows() -> int:
    """Return how many edges there are, parked or not."""
    edges = union_all(*(_edges(table) for table in (Follow, ParkedFollow))).subquery()
    rows = database.fetch(select(func.count().label("edges")).select_from(edges))
    number: int = rows[0]["edges"]
    return number
