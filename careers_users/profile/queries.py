"""What is read of users: profiles, numbers, the directory and its search."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    RowMapping,
    bindparam,
    column,
    exists,
    false,
    func,
    select,
    table,
)
from sqlalchemy.orm import InstrumentedAttribute

from careers_users import database, text
from careers_users.extensions import db
from careers_users.fields import is_username
from careers_users.models import Follow, Total, User, UserCounters

# SQLite's trigram index, made by the migration; its rowid is the user's id.
_INDEX = table("users_search", column("rowid"), column("users_search"))
# A trigram index has nothing to say about terms shorter than this,
_TRIGRAM = 3
# and SQLite's takes these noncharacters for the replacement character.
_CONFUSED = re.compile("[\ufffd-\uffff]")

_KEYS: Mapping[str, InstrumentedAttribute[Any]] = {
    "username": User.username_key,
    "created_at": User.created_at,
    "first_name": User.first_name_key,
    "last_name": User.last_name_key,
}

_IS_FOLLOWING = (
    exists()
    .where(Follow.follower_id == bindparam("viewer_id"))
    .where(Follow.following_id == User.id)
    .correlate(User)
    .label("is_following")
)

# The columns of a card; lists of followers show the same (contract: card).
CARD = (
    User.id,
    User.username,
    User.first_name,
    User.last_name,
    User.avatar,
    _IS_FOLLOWING,
)

_PROFILE = (
    select(
        User.id,
        User.username,
        User.first_name,
        User.last_name,
        User.bio,
        User.avatar,
        User.created_at,
        UserCounters.posts_count,
        UserCounters.followers_count,
        UserCounters.following_count,
    )
    .join(UserCounters, UserCounters.user_id == User.id)
    .where(User.username_key == bindparam("key"))
)
_OWN_PROFILE = (
    select(
        User.id,
        User.username,
        User.email,
        User.first_name,
        User.last_name,
        User.bio,
        User.avatar,
        User.created_at,
        User.updated_at,
        UserCounters.posts_count,
        UserCounters.followers_count,
        UserCounters.following_count,
    )
    .join(UserCounters, UserCounters.user_id == User.id)
    .where(User.id == bindparam("user_id"))
)
_STATS = (
    select(
        UserCounters.posts_count,
        UserCounters.followers_count,
        UserCounters.following_count,
        UserCounters.likes_received,
        UserCounters.comments_received,
    )
    .join(User, User.id == UserCounters.user_id)
    .where(User.username_key == bindparam("key"))
)
_TOTAL_USERS = select(Total.value).where(Total.name == "users")


def profile(username: str) -> RowMapping | None:
    """Return what others see of a user, whatever the name's case."""
    return _by_username(_PROFILE, username)


def stats(username: str) -> RowMapping | None:
    """Return a user's numbers, whatever the name's case."""
    return _by_username(_STATS, username)


def own_profile(user_id: int) -> RowMapping | None:
    """Return what a user sees of themselves."""
    return database.fetch_one(_OWN_PROFILE, {"user_id": user_id})


def _by_username(statement: Executable, username: str) -> RowMapping | None:
    # What can't be a name is nobody's; the database need not be asked.
    if not is_username(username):
        return None
    return database.fetch_one(statement, {"key": text.fold(username)})


def directory(
    viewer_id: int, query: Mapping[str, Any]
) -> tuple[Sequence[RowMapping], int]:
    """Return a batch of cards and the number of users that match, in two statements.

    `query` is what DirectoryQuerySchema loads. Only the narrow index is walked to the
    batch; the cards' wider rows are fetched for its users alone.
    """
    conditions = _conditions(query)
    order = _ordering(query["ordering"])
    batch = (
        select(User.id)
        .where(*conditions)
        .order_by(*order)
        .limit(query["batch_size"])
        .offset(query["batch_number"] * query["batch_size"])
        .subquery("batch")
    )
    cards = select(*CARD).join(batch, batch.c.id == User.id).order_by(*order)
    total = (
        select(func.count().label("value")).select_from(User).where(*conditions)
        if conditions
        else _TOTAL_USERS
    )
    count = database.fetch_one(total)
    return (
        database.fetch_all(cards, {"viewer_id": viewer_id}),
        0 if count is None else count["value"],
    )


def _ordering(ordering: str) -> list[Any]:
    """Return the ORDER BY of an ordering; `-x` is exactly the reverse of `x`."""
    key = _KEYS[ordering.removeprefix("-")]
    if ordering.startswith("-"):
        return [key.desc(), User.id.desc()]
    return [key, User.id]


def _conditions(query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return what a user must meet to be in the list; nothing if everybody is."""
    search = [text.fold(query[name]) for name in ("search", "q") if query[name]]
    named = [
        (key, text.fold(query[name]))
        for name, key in (
            ("first_name", User.first_name_key),
            ("last_name", User.last_name_key),
        )
        if query[name]
    ]
    if any(text.SEPARATOR in term for term in search):
        return [false()]
    # Names are part of the indexed text, so the index narrows those filters down too.
    conditions = _indexed([*search, *(term for _, term in named)])
    unsure = [term for term in search if _is_short(term) or _CONFUSED.search(term)]
    conditions += [_contains(User.search_text, term) for term in unsure]
    conditions += [_contains(key, term) for key, term in named]
    return conditions


def _is_short(term: str) -> bool:
    return len(term) < _TRIGRAM


def _is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def _indexed(terms: list[str]) -> list[ColumnElement[bool]]:
    """Return the conditions that the trigram index of each database answers."""
    long = [term for term in terms if not _is_short(term)]
    if not long:
        return []
    if not _is_sqlite():
        return [_contains(User.search_text, term) for term in long]
    phrases = " AND ".join('"' + term.replace('"', '""') + '"' for term in long)
    return [
        User.id.in_(select(_INDEX.c.rowid).where(_INDEX.c.users_search.match(phrases)))
    ]


def _contains(folded: InstrumentedAttribute[str], term: str) -> ColumnElement[bool]:
    """Return the condition that a column contains a term literally."""
    if _is_sqlite():
        return func.instr(folded, term) > 0
    pattern = term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    matches: ColumnElement[bool] = folded.like(f"%{pattern}%", escape="\\")
    return matches
