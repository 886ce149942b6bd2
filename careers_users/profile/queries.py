"""What is read of users: profiles, numbers, the directory and its search."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    Select,
    Text,
    bindparam,
    column,
    exists,
    func,
    select,
    table,
)
from sqlalchemy.orm import InstrumentedAttribute

from careers_users import database, text
from careers_users.auth.queries import VIEWER
from careers_users.fields import is_username
from careers_users.models import Follow, Total, User, UserCounters
from careers_users.statements import Row

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
# What users see of themselves: read with the check of their token.
OWN_PROFILE = VIEWER.join(
    UserCounters, UserCounters.user_id == User.id
).with_only_columns(
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
# What a user must pass to be in the list: a text contains a term, SQLite's index says
# so, or nobody passes.
_Test = Literal["text", "first_name", "last_name", "index", "nothing"]
_NAME_TESTS: tuple[Literal["first_name", "last_name"], ...] = (
    "first_name",
    "last_name",
)
_TESTED: Mapping[str, InstrumentedAttribute[str]] = {
    "text": User.search_text,
    "first_name": User.first_name_key,
    "last_name": User.last_name_key,
}


def profile(username: str) -> Row | None:
    """Return what others see of a user, whatever the name's case."""
    return _by_username(_PROFILE, username)


def stats(username: str) -> Row | None:
    """Return a user's numbers, whatever the name's case."""
    return _by_username(_STATS, username)


def _by_username(statement: Executable, username: str) -> Row | None:
    # What can't be a name is nobody's; the database need not be asked.
    if not is_username(username):
        return None
    return database.fetch_one(statement, {"key": text.fold(username)})


def directory(viewer_id: int, query: Mapping[str, Any]) -> tuple[Sequence[Row], int]:
    """Return a batch of cards and the number of users that match, in one statement.

    `query` is what DirectoryQuerySchema loads. Only the narrow index is walked to the
    batch; the cards' wider rows are fetched for its users alone.
    """
    wanted = _wanted(query)
    terms = {f"term_{place}": term for place, (_, term) in enumerate(wanted)}
    tests = tuple(test for test, _ in wanted)
    skipped = query["batch_number"] * query["batch_size"]
    cards = database.fetch_all(
        _cards(tests, query["ordering"], is_sqlite=database.is_sqlite()),
        {
            **terms,
            "viewer_id": viewer_id,
            "size": query["batch_size"],
            "skipped": skipped,
        },
    )
    totals = [card.pop("total") for card in cards]
    if totals or skipped == 0:
        return cards, totals[0] if totals else 0
    # Past the end there is no card that could bring the total along.
    count = database.fetch_one(_total(tests, is_sqlite=database.is_sqlite()), terms)
    return cards, 0 if count is None else count["total"]


@cache
def _total(tests: tuple[_Test, ...], *, is_sqlite: bool) -> Select[Any]:
    """Return the SELECT of how many users pass the tests; made once for each kind."""
    if not tests:
        return select(Total.value.label("total")).where(Total.name == "users")
    conditions = _conditions(tests, is_sqlite=is_sqlite)
    return select(func.count().label("total")).select_from(User).where(*conditions)


@cache
def _cards(tests: tuple[_Test, ...], ordering: str, *, is_sqlite: bool) -> Select[Any]:
    """Return the SELECT of a batch and the total; made once for each kind."""
    key, is_down = _KEYS[ordering.removeprefix("-")], ordering.startswith("-")
    source: Any = User.__table__
    total = _total((), is_sqlite=is_sqlite)
    if tests:
        # Who passes is looked up once, for the batch and the total. Left to itself the
        # planner would count them, then walk the names until enough have passed, which
        # may be at the very end.
        source = (
            select(User.id, key)
            .where(*_conditions(tests, is_sqlite=is_sqlite))
            .cte("passing")
            .prefix_with("MATERIALIZED")
        )
        total = select(func.count().label("total")).select_from(source)
    batch = (
        select(source.c.id)
        .order_by(*_ordering(source.c[key.key], source.c.id, is_down=is_down))
        .limit(bindparam("size"))
        .offset(bindparam("skipped"))
        .subquery("batch")
    )
    return (
        select(*CARD, total.correlate(None).scalar_subquery().label("total"))
        .join(batch, batch.c.id == User.id)
        .order_by(*_ordering(key, User.id, is_down=is_down))
    )


def _ordering(key: Any, id_: Any, *, is_down: bool) -> list[Any]:
    """Return the ORDER BY of an ordering; `-x` is exactly the reverse of `x`."""
    return [key.desc(), id_.desc()] if is_down else [key, id_]


def _wanted(query: Mapping[str, Any]) -> list[tuple[_Test, str]]:
    """Return what a user must pass to be in the list, and the value of each test."""
    search = [text.fold(query[name]) for name in ("search", "q") if query[name]]
    named: list[tuple[_Test, str]] = [
        (test, text.fold(query[test])) for test in _NAME_TESTS if query[test]
    ]
    if any(text.SEPARATOR in term for term in search):
        return [("nothing", "")]
    # Names are part of the indexed text, so the index narrows those filters down too.
    indexed = [
        term for term in (*search, *(term for _, term in named)) if _is_long(term)
    ]
    unsure = [term for term in search if not _is_long(term) or _CONFUSED.search(term)]
    contained: list[tuple[_Test, str]] = [("text", term) for term in unsure] + named
    if database.is_sqlite():
        phrases = " AND ".join('"' + term.replace('"', '""') + '"' for term in indexed)
        return [("index", phrases), *contained] if phrases else contained
    contained = [("text", term) for term in indexed] + contained
    return [(test, _pattern(term)) for test, term in contained]


def _is_long(term: str) -> bool:
    return len(term) >= _TRIGRAM


def _pattern(term: str) -> str:
    """Return the LIKE pattern of what contains a term literally."""
    escaped = term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _conditions(
    tests: tuple[_Test, ...], *, is_sqlite: bool
) -> list[ColumnElement[bool]]:
    """Return the tests as SQL, with the values as parameters `term_0` and so on."""
    return [
        _condition(test, bindparam(f"term_{place}", type_=Text()), is_sqlite=is_sqlite)
        for place, test in enumerate(tests)
    ]


def _condition(
    test: _Test, term: BindParameter[str], *, is_sqlite: bool
) -> ColumnElement[bool]:
    if test == "nothing":
        return term.is_(None)
    if test == "index":
        matching = select(_INDEX.c.rowid).where(_INDEX.c.users_search.match(term))
        return User.id.in_(matching)
    column = _TESTED[test]
    if is_sqlite:
        return func.instr(column, term) > 0
    matches: ColumnElement[bool] = column.like(term, escape="\\")
    return matches
