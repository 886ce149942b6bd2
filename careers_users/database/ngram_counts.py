"""How many users have a letter or a pair of letters in what is searched, exactly.

Counted when they change, since a term so short has no trigram by which it could be
found. Whoever writes a user only adds a row of what changed (a trigger does); the
counts are true together with these rows, which are *folded* into them now and then.
"""

import secrets
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Executable,
    Select,
    String,
    Table,
    bindparam,
    cast,
    delete,
    func,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, scoped_session

from careers_users.database.errors import if_possible, is_locked
from careers_users.extensions import db
from careers_users.models import SearchChange, SearchGram, User
from careers_users.validation.text import GRAM_MAX, SEPARATOR, grams

Open = Connection | Session | scoped_session[Any]
# Changes folded in one transaction: on SQLite other writers wait some 20 ms for it.
FOLD_BATCH = 1000
# So many changes of users are there for each time they are folded, on average.
FOLD_ONE_IN = 100
# After writing many at once, the fewer times the same counts are written the better;
# but a thousand long texts take a tenth of a second, in which SQLite's writers wait.
FOLD_MANY = 4_000


# ----------------------------------------------------------------------------- reading


def total(contains: Callable[[Any], ColumnElement[bool]]) -> Select[Any]:
    """Return the SELECT of how many users have the parameter `alone` in their text.

    `contains` says, in SQL, whether a text contains it.
    """
    counted = (
        select(SearchGram.users).where(SearchGram.gram == bindparam("alone"))
    ).scalar_subquery()
    came = func.count().filter(contains(SearchChange.came))
    went = func.count().filter(contains(SearchChange.went))
    changed = select(came - went).select_from(SearchChange).scalar_subquery()
    return select((func.coalesce(counted, 0) + changed).label("total"))


def beginnings(*, is_down: bool) -> Select[Any]:
    """Return the SELECT of the beginnings of usernames and how many come before each.

    Its columns: `start`, and `before`, the number of users whose names come before all
    that begin so, or with `is_down` after all of them.
    """
    first = SearchGram.gram
    counts = union_all(
        select(first.label("gram"), SearchGram.users.label("users"))
        .where(first >= SEPARATOR)
        .where(first < chr(ord(SEPARATOR) + 1)),
        *(
            select(_beginning(changed), literal(number, BigInteger()))
            .select_from(SearchChange)
            .where(changed.is_not(None))
            for changed, number in ((SearchChange.came, 1), (SearchChange.went, -1))
        ),
    ).subquery("counts")
    users = func.sum(counts.c.users)
    order = counts.c.gram.desc() if is_down else counts.c.gram
    return select(
        func.substr(counts.c.gram, 2).label("start"),
        cast(func.sum(users).over(order_by=order) - users, BigInteger()).label(
            "before"
        ),
    ).group_by(counts.c.gram)


def _beginning(searched: Any) -> ColumnElement[str]:
    return literal(SEPARATOR, String()) + func.substr(searched, 1, GRAM_MAX)


# ----------------------------------------------------------------------------- folding


def tidy() -> None:
    """Fold some changes, one time in a hundred: for whoever has just made one.

    It is no reason to refuse what was done that the database can't take it now.
    """
    if secrets.randbelow(FOLD_ONE_IN):
        return
    with if_possible("Changes of searched texts could not be folded"):
        try:
            with db.engine.begin() as connection:
                fold_batch(connection, gives_way=True)
        except DBAPIError as error:
            if not is_locked(error):
                raise
            # Somebody else folds.


def fold_all() -> None:
    """Fold all changes, in transactions of their own."""
    folded = FOLD_MANY
    while folded == FOLD_MANY:
        with db.engine.begin() as connection:
            folded = fold_batch(connection, FOLD_MANY)


def fold(connection: Open) -> None:
    """Fold all changes that there are, in the caller's transaction."""
    while fold_batch(connection, FOLD_MANY) == FOLD_MANY:
        pass


def fold_batch(
    connection: Open, size: int = FOLD_BATCH, *, gives_way: bool = False
) -> int:
    """Fold up to `size` changes and return how many; the caller commits.

    Others who fold wait until then, or fail at once if they give way. Who reads sees
    the counts and the changes as they were before, or after.
    """
    _lock(connection, " NOWAIT" if gives_way else "")
    changes = connection.execute(_TAKE, {"size": size}, execution_options=_UNWATCHED)
    counts: Counter[str] = Counter()
    rows = changes.all()
    for went, came in rows:
        counts.update(() if came is None else grams(came))
        counts.subtract(() if went is None else grams(went))
    _add(connection, counts)
    return len(rows)


def recount(connection: Open, *, repair: bool) -> Iterator[tuple[str, int, int]]:
    """Yield what is counted wrong, in words, its count, and the right one.

    Nobody may change users meanwhile. With `repair` they are set right in the end.
    """
    _lock(connection)
    right: Counter[str] = Counter()
    for (searched,) in _each(connection, select(User.search_text)):
        right.update(grams(searched))
    wrong = Counter(right)
    stored = Counter(dict(_each(connection, select(SearchGram.gram, SearchGram.users))))
    wrong.subtract(stored)
    changes = select(SearchChange.went, SearchChange.came)
    for went, came in _each(connection, changes):
        wrong.update(() if went is None else grams(went))
        wrong.subtract(() if came is None else grams(came))
    for gram, missing in sorted(wrong.items()):
        if missing:
            is_start, rest = gram.startswith(SEPARATOR), gram.removeprefix(SEPARATOR)
            name = f"usernames from {rest!r}" if is_start else f"users with {rest!r}"
            yield name, right[gram] - missing, right[gram]
    if repair:
        _add(connection, wrong)


def _each(connection: Open, statement: Executable) -> Iterator[Any]:
    """Yield the rows of a SELECT, not all of them in memory."""
    yield from connection.execute(statement, execution_options={"yield_per": 1000})


def _lock(connection: Open, wait: str = "") -> None:
    """Let others who fold wait; on SQLite the whole database is ours already."""
    if db.engine.dialect.name == "postgresql":
        table = SearchGram.__tablename__
        mode = f"SHARE ROW EXCLUSIVE MODE{wait}"
        connection.execute(text(f"LOCK TABLE {table} IN {mode}"))


def _add(connection: Open, counts: Counter[str]) -> None:
    rows = [{"gram": gram, "users": n} for gram, n in sorted(counts.items()) if n]
    if rows:
        connection.execute(_ADD[db.engine.dialect.name], rows)
    fewer = [{"fewer": gram} for gram, n in sorted(counts.items()) if n < 0]
    if fewer:
        connection.execute(_DROP, fewer)


def _add_statement(insert: Any) -> Any:
    new = insert(SearchGram.__table__)
    return new.on_conflict_do_update(
        index_elements=["gram"],
        set_={"users": SearchGram.users + new.excluded.users},
    )


_ADD = {
    "sqlite": _add_statement(sqlite.insert),
    "postgresql": _add_statement(postgresql.insert),
}
# Of the table: the ORM does not delete many at once.
_DROP = (
    delete(typing.cast(Table, SearchGram.__table__))
    .where(SearchGram.gram == bindparam("fewer"))
    .where(SearchGram.users == 0)
)
_TAKE = (
    delete(SearchChange)
    .where(
        SearchChange.id.in_(
            select(SearchChange.id)
            .order_by(SearchChange.id)
            .limit(bindparam("size", type_=BigInteger()))
        )
    )
    .returning(SearchChange.went, SearchChange.came)
)
_UNWATCHED = {"synchronize_session": False}
