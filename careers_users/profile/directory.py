"""The directory of users: its order, its search, and how many there are."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    CTE,
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    case,
    column,
    func,
    literal_column,
    select,
    table,
    union,
)
from sqlalchemy.orm import InstrumentedAttribute

from careers_users import database
from careers_users.database import Query, Row, ngram_counts, room_for
from careers_users.models import Total, User
from careers_users.profile.queries import CARD
from careers_users.validation import text

# SQLite's trigram index, made by the migration; its rowid is the user's id.
_INDEX = table("users_search", column("rowid"), column("users_search"))
# Its test comes first.
_MATCHES = _INDEX.c.users_search.match(bindparam("term_0", type_=Text()))
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

# What a user must pass to be in the list: a text contains a term, SQLite's index says
# so, or nobody passes.
_Test = Literal["text", "first_name", "last_name", "index", "nothing"]
_NAME_TESTS: tuple[Literal["first_name", "last_name"], ...] = (
    "first_name",
    "last_name",
)
# How a batch is found: the plain way; as the first of all; because the total is known
# without finding all; because it is known how many names come before.
_Way = Literal["plain", "first", "counted", "from a start"]
# So many users are looked at before all who pass are looked up: in 2 ms, and it is
# enough for the first batch of a term that one of two hundred has.
_WALK = 2000
# So many names are walked in a few ms; from there on it is worth asking for a start.
_FAR = 10_000
_ALL = 2**62
_SIZE: BindParameter[int] = bindparam("size", type_=BigInteger())
_SKIPPED: BindParameter[int] = bindparam("skipped", type_=BigInteger())
# Sorts behind whatever else a name could go on with.
_LAST = "\U0010ffff"
_TESTED: Mapping[str, InstrumentedAttribute[str]] = {
    "text": User.search_text,
    "first_name": User.first_name_key,
    "last_name": User.last_name_key,
}


def batch(viewer_id: int, query: Mapping[str, Any]) -> tuple[Sequence[Row], int]:
    """Return a batch of cards and the number of users that match, in one statement.

    `query` is what DirectoryQuerySchema loads. Only the narrow index is walked to the
    batch; the cards' wider rows are fetched for its users alone.
    """
    wanted, alone = _wanted(query)
    tests = tuple(test for test, _ in wanted)
    is_sqlite = database.is_sqlite()
    terms = {
        f"term_{place}": term if is_sqlite else _pattern(term)
        for place, (_, term) in enumerate(wanted)
    }
    terms |= {"alone": alone} if alone else {}
    skipped = query["batch_number"] * query["batch_size"]
    size = query["batch_size"]
    way = _way(skipped, is_all=not tests, is_known=alone is not None)
    room = room_for(size) if way == "first" else None
    found = _cards(way, tests, query["ordering"], room, is_sqlite=is_sqlite).all(
        **terms, viewer_id=viewer_id, size=size, skipped=skipped
    )
    cards = found[:size]
    totals = [card.pop("total") for card in cards]
    if totals or skipped == 0:
        return cards, totals[0] if totals else 0
    # Past the end there is no card that could bring the total along.
    count = _total_query(way, tests, is_sqlite=is_sqlite).one(**terms)
    return cards, 0 if count is None else count["total"]


def _way(skipped: int, *, is_all: bool, is_known: bool) -> _Way:
    if is_known:
        return "counted"
    if is_all and skipped == 0:
        return "first"
    return "from a start" if is_all and skipped >= _FAR else "plain"


@cache
def _total_query(way: _Way, tests: tuple[_Test, ...], *, is_sqlite: bool) -> Query:
    return Query(_total(way, tests, is_sqlite=is_sqlite))


def _total(way: _Way, tests: tuple[_Test, ...], *, is_sqlite: bool) -> Select[Any]:
    """Return the SELECT of how many users pass the tests."""
    if not tests:
        return select(Total.value.label("total")).where(Total.name == "users")
    if way == "counted" and tests == ("text",):
        return ngram_counts.total(
            lambda searched: _has_alone(searched, is_sqlite=is_sqlite)
        )
    if tests == ("index",):
        # The index alone knows how many; the users themselves need not be read.
        return select(func.count().label("total")).select_from(_INDEX).where(_MATCHES)
    conditions = _conditions(tests, is_sqlite=is_sqlite)
    return select(func.count().label("total")).select_from(User).where(*conditions)


@cache
def _cards(
    way: _Way,
    tests: tuple[_Test, ...],
    ordering: str,
    room: int | None,
    *,
    is_sqlite: bool,
) -> Query:
    """Return the query of a batch and the total; made once for each kind.

    Of the first batch it says itself how many rows, `room`, so that a plan can be kept.
    """
    key, is_down = _KEYS[ordering.removeprefix("-")], ordering.startswith("-")
    total = _total(way, tests, is_sqlite=is_sqlite)
    if way == "counted":
        found, total = _counted(tests[0], key, is_down, is_sqlite)
    elif way == "from a start" and key is User.username_key:
        found = _from_a_start(is_down=is_down)
    elif way == "first":
        found = _in_order(User.__table__, key, is_down).limit(literal_column(str(room)))
    else:
        source: Any = User.__table__
        if tests:
            # Who passes is looked up once, for the batch and the total. Left to itself
            # the planner would count them, then walk the names until enough have
            # passed, which may be at the very end.
            passing = select(User.id, key).where(
                *_conditions(tests, is_sqlite=is_sqlite)
            )
            source = _once(passing, "passing")
            total = select(func.count().label("total")).select_from(source)
        found = _page(source, key, is_down)
    ids = found.subquery("batch")
    return Query(
        select(*CARD, total.correlate(None).scalar_subquery().label("total"))
        .join(ids, ids.c.id == User.id)
        .order_by(*_ordering(key, User.id, is_down=is_down))
    )


def _counted(
    test: _Test, key: InstrumentedAttribute[Any], is_down: bool, is_sqlite: bool
) -> tuple[Any, Select[Any]]:
    """Return the SELECTs of a batch's ids and of the total, where that is known first.

    Of a term that many have the batch is found near the beginning of the order, so the
    first users are looked at one by one. Only if there are too few among them all who
    pass are looked up and sorted.
    """
    passing = select(User.id, key).where(*_conditions((test,), is_sqlite=is_sqlite))
    total = _total("counted", (test,), is_sqlite=is_sqlite)
    if test == "index":
        matches = _once(select(_INDEX.c.rowid.label("id")).where(_MATCHES), "matches")
        passing = select(User.id, key).where(User.id.in_(select(matches.c.id)))
        total = select(func.count().label("total")).select_from(matches)
    counted = _once(total, "counted")
    known = select(counted.c.total).scalar_subquery()
    near = _once(_near(test, known, key, is_down, is_sqlite), "near")
    there = select(func.count()).select_from(near).scalar_subquery()
    is_missing = and_(there < _SIZE, there + _SKIPPED < known)
    if is_sqlite:
        # It looks them up even if nobody asks, but for a limit of 0.
        passing = passing.limit(case((is_missing, _ALL), else_=0))
    rest = _page(_once(passing, "passing"), key, is_down).subquery("rest")
    # What was near is the beginning of the rest.
    found = union(select(near.c.id), select(rest.c.id).where(is_missing))
    return found, select(counted.c.total)


def _near(
    test: _Test,
    total: Any,
    key: InstrumentedAttribute[Any],
    is_down: bool,
    is_sqlite: bool,
) -> Select[Any]:
    """Return the SELECT of those ids of a batch that are among the first users."""
    walked: Any = literal_column(str(_WALK))
    if test == "index":
        # Those few who have a rare term are read faster than the walk is made.
        users = select(Total.value).where(Total.name == "users").scalar_subquery()
        is_likely = total * _WALK >= users * (_SKIPPED + _SIZE)
        walked = case((is_likely, _WALK), else_=0)
    first = (
        select(User.id, key, User.search_text)
        .order_by(*_ordering(key, User.id, is_down=is_down))
        .limit(walked)
        .subquery("first")
    )
    having = select(first.c.id, first.c[key.key]).where(
        _has_alone(first.c.search_text, is_sqlite=is_sqlite)
    )
    return _page(having.subquery("having"), key, is_down)


def _from_a_start(*, is_down: bool) -> Select[Any]:
    """Return the SELECT of a batch's ids by username, walked to from near by.

    How many names come before each beginning of a name is known.
    """
    starts = ngram_counts.beginnings(is_down=is_down).subquery("starts")
    start = _once(
        select(starts)
        .where(starts.c.before <= _SKIPPED)
        .order_by(starts.c.start if is_down else starts.c.start.desc())
        .limit(literal_column("1")),
        "start",
    )
    begins = select(start.c.start).scalar_subquery()
    before = func.coalesce(select(start.c.before).scalar_subquery(), 0)
    key = User.username_key
    return (
        select(User.id)
        .where(key <= begins + _LAST if is_down else key >= begins)
        .order_by(*_ordering(key, User.id, is_down=is_down))
        .limit(_SIZE)
        .offset(_SKIPPED - before)
    )


def _page(source: Any, key: InstrumentedAttribute[Any], is_down: bool) -> Select[Any]:
    """Return the SELECT of a batch's ids out of a table or subquery."""
    return _in_order(source, key, is_down).limit(_SIZE).offset(_SKIPPED)


def _in_order(
    source: Any, key: InstrumentedAttribute[Any], is_down: bool
) -> Select[Any]:
    """Return the SELECT of all ids of a table or subquery."""
    ordering = _ordering(source.c[key.key], source.c.id, is_down=is_down)
    return select(source.c.id).order_by(*ordering)


def _once(statement: Select[Any], name: str) -> CTE:
    """Return a subquery that is made once, however often it is asked."""
    return statement.cte(name).prefix_with("MATERIALIZED")


def _ordering(key: Any, id_: Any, *, is_down: bool) -> list[Any]:
    """Return the ORDER BY of an ordering; `-x` is exactly the reverse of `x`."""
    return [key.desc(), id_.desc()] if is_down else [key, id_]


def _wanted(query: Mapping[str, Any]) -> tuple[list[tuple[_Test, str]], str | None]:
    """Return what a user must pass to be in the list, and the value of each test.

    And the term, if it is all that is asked and how many have it can be told at once.
    """
    search = [text.fold(query[name]) for name in ("search", "q") if query[name]]
    named: list[tuple[_Test, str]] = [
        (test, text.fold(query[test])) for test in _NAME_TESTS if query[test]
    ]
    if any(text.SEPARATOR in term for term in search):
        return [("nothing", "")], None
    # Names are part of the indexed text, so the index narrows those filters down too.
    indexed = [
        term for term in (*search, *(term for _, term in named)) if _is_long(term)
    ]
    unsure = [term for term in search if not _is_long(term) or _CONFUSED.search(term)]
    contained: list[tuple[_Test, str]] = [("text", term) for term in unsure] + named
    if database.is_sqlite():
        phrases = " AND ".join('"' + term.replace('"', '""') + '"' for term in indexed)
        tests = [("index", phrases), *contained] if phrases else contained
    else:
        tests = [("text", term) for term in indexed] + contained
    is_alone = len(search) == len(tests) == 1
    is_known = is_alone and (tests[0][0] == "index" or not _is_long(search[0]))
    return tests, search[0] if is_known else None


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
        matching = select(_INDEX.c.rowid).where(_MATCHES)
        return User.id.in_(matching)
    column = _TESTED[test]
    if is_sqlite:
        return func.instr(column, term) > 0
    matches: ColumnElement[bool] = column.like(term, escape="\\")
    return matches


def _has_alone(searched: Any, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Return as SQL that a text contains the one term, whatever its length."""
    position = func.instr if is_sqlite else func.strpos
    has: ColumnElement[bool] = position(searched, bindparam("alone", type_=Text())) > 0
    return has
