"""The directory of users: lists, searches and filters, in one statement per batch.

There are two ways. Without a word or filter, a batch is a walk in the index of its
ordering, and the total is the sum of the parts that triggers keep:

    SELECT total, card..
    FROM (SELECT sum(value) AS total FROM user_totals)
    LEFT JOIN (SELECT id FROM users WHERE suspended_at IS NULL
               ORDER BY username_key LIMIT 10 OFFSET :skipped)
    LEFT JOIN users USING (id)
    ORDER BY username_key

With words or filters, all who pass are found first, through the trigram index where
there is one, then counted, then sorted. `search_text` contains every word (see
validation/words.py), so the index answers words of any length:

    WITH passing AS MATERIALIZED (
      SELECT id, username_key AS key FROM users
      WHERE search_text LIKE '%emma%' AND search_text LIKE '%QQli%'   -- PostgreSQL
        AND id IN (SELECT rowid FROM users_search                     -- SQLite
                   WHERE users_search MATCH '"emma" AND "QQli"')
        AND strpos(first_name_key, 'emma') > 0    -- instr() on SQLite
        AND id = ANY (:ids)                       -- json_each() on SQLite
        AND suspended_at IS NULL)
    SELECT total, card..
    FROM (SELECT count(*) AS total FROM passing)
    LEFT JOIN (SELECT id FROM passing ORDER BY key LIMIT 10 OFFSET :skipped)
    LEFT JOIN users USING (id)
    ORDER BY username_key

The total stands first and the rest is joined to it, since it is wanted where a batch is
empty, too. MATERIALIZED keeps the planner from looking for those who pass along the
ordering, which is the whole table if they come last.

A viewer with blocks has statements of their own, in which no user passes whom a block
hides, and the total of the first way is less by these users (see visibility.py).
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    table,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute

from careers_users import database
from careers_users.database import Query, Row, room_for
from careers_users.models import User, UserTotal
from careers_users.profile import visibility
from careers_users.profile.queries import CARD
from careers_users.profile.search_places import search_places
from careers_users.profile.visibility import Caller
from careers_users.validation.words import TRIGRAM

# SQLite's trigram index, made by a migration; its rowid is the user's id.
_INDEX = table("users_search", column("rowid"), column("users_search"))
# SQLite's index takes these noncharacters for the replacement character.
_CONFUSED = re.compile("[\ufffd-\uffff]")
# Texts that PostgreSQL's index can look for. LIKE with anything else would read all of
# the index, once the statement has a generic plan: 1.2 s at a million users, where
# strpos() in a scan takes 0.2 s.
_HAS_TRIGRAM = re.compile(r"[^\W_]{3}")

# Clients choose the shapes; there are thousands of them.
QUERIES_REMEMBERED = 256
_KEYS: Mapping[str, InstrumentedAttribute[Any]] = {
    "username": User.username_key,
    "created_at": User.created_at,
    "first_name": User.first_name_key,
    "last_name": User.last_name_key,
}
_NAMES: Mapping[str, InstrumentedAttribute[str]] = {
    "first_name": User.first_name_key,
    "last_name": User.last_name_key,
}


@dataclass(frozen=True)
class _Shape:
    """The inputs of a statement, apart from values; it is made once for each.

    `indexed` and `scanned` are how many texts `search_text` must contain, looked up in
    the index or not; on SQLite one MATCH has all of the former. `room` is how many rows
    the statement asks for: as a constant, so that its plan can be kept (see room_for).
    """

    is_sqlite: bool
    ordering: str
    room: int
    is_first: bool
    indexed: int = 0
    scanned: int = 0
    names: tuple[str, ...] = ()
    has_ids: bool = False
    has_blocks: bool = False

    @property
    def is_filtered(self) -> bool:
        """Return whether not all users pass."""
        return bool(self.indexed or self.scanned or self.names or self.has_ids)


def batch(caller: Caller, query: Mapping[str, Any]) -> tuple[Sequence[Row], int]:
    """Return a batch of cards, and the number of all users that pass.

    Of users who are hidden from the viewer, neither has any.

    `query` is what DirectoryQuerySchema loads. Raises SearchBusy or SearchTimedOut.
    """
    size, ids = query["batch_size"], query.get("ids")
    skipped = query["batch_number"] * size
    is_sqlite = database.is_sqlite()
    names = {name: query[name] for name in _NAMES if query[name]}
    indexed, scanned = _texts(query, names, is_sqlite=is_sqlite)
    shape = _Shape(
        is_sqlite=is_sqlite,
        ordering=query["ordering"],
        room=room_for(size),
        is_first=skipped == 0,
        indexed=len(indexed),
        scanned=len(scanned),
        names=tuple(names),
        has_ids=ids is not None,
        has_blocks=caller.has_blocks,
    )
    parameters: dict[str, Any] = {"viewer_id": caller.id, **names}
    parameters |= {f"indexed_{n}": text for n, text in enumerate(indexed)}
    parameters |= {f"scanned_{n}": text for n, text in enumerate(scanned)}
    if skipped:
        parameters["skipped"] = skipped
    if ids is not None:
        parameters["ids"] = json.dumps(ids) if is_sqlite else ids
    # Users named by number are few; and a list looks at one batch.
    is_search = shape.is_filtered and ids is None
    with search_places().place() if is_search else nullcontext():
        found = _query(shape).all(**parameters)
    totals = [row.pop("total") for row in found]
    return [row for row in found[:size] if row["id"] is not None], totals[0]


def _texts(
    query: Mapping[str, Any], names: Mapping[str, str], *, is_sqlite: bool
) -> tuple[list[str], list[str]]:
    """Return what `search_text` must contain: by its index, and by a look at each.

    In the form that the database takes: a phrase, patterns of LIKE, plain text.
    """
    # A name is a part of the text, so the index narrows the filters down, too.
    long = [name for name in names.values() if len(name) >= TRIGRAM]
    words = list(dict.fromkeys([*query["search"], *query["q"]]))
    if "ids" in query:  # They are narrow enough.
        return [], words
    if is_sqlite:
        phrases = ('"' + text.replace('"', '""') + '"' for text in [*words, *long])
        match = " AND ".join(dict.fromkeys(phrases))
        return [match] if match else [], [w for w in words if _CONFUSED.search(w)]
    indexed = [text for text in [*words, *long] if _HAS_TRIGRAM.search(text)]
    scanned = [word for word in words if not _HAS_TRIGRAM.search(word)]
    return [*map(_pattern, dict.fromkeys(indexed))], scanned


def _pattern(text: str) -> str:
    """Return the LIKE pattern of what contains a text literally."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


@lru_cache(maxsize=QUERIES_REMEMBERED)
def _query(shape: _Shape) -> Query:
    """Return the query of a batch and the total; the module's docstring shows it."""
    key = _KEYS[shape.ordering.removeprefix("-")]
    is_down = shape.ordering.startswith("-")
    if shape.is_filtered:
        passing = select(User.id, key.label("key")).where(
            *_conditions(shape), *_visible(shape)
        )
        source: Any = passing.cte("passing").prefix_with("MATERIALIZED")
        page = select(source.c.id).order_by(
            *_in_order(key, source.c.key, source.c.id, is_down=is_down)
        )
        total = select(func.count().label("total")).select_from(source)
    else:
        page = (
            select(User.id)
            .where(*_visible(shape))
            .order_by(*_in_order(key, key, User.id, is_down=is_down))
        )
        number: ColumnElement[int] = cast(func.sum(UserTotal.value), BigInteger)
        if shape.has_blocks:
            number = number - visibility.number_blocked(is_sqlite=shape.is_sqlite)
        total = select(number.label("total"))
    page = page.limit(literal_column(str(shape.room)))
    if not shape.is_first:
        page = page.offset(bindparam("skipped", type_=BigInteger()))
    counted, ids = total.subquery("counted"), page.subquery("batch")
    joined = counted.outerjoin(ids, true()).outerjoin(User, User.id == ids.c.id)
    return Query(
        select(counted.c.total, *CARD)
        .select_from(joined)
        .order_by(*_in_order(key, key, User.id, is_down=is_down))
    )


def _visible(shape: _Shape) -> list[ColumnElement[bool]]:
    """Return the conditions of those whom the viewer may meet."""
    conditions = [visibility.is_not_suspended()]
    if not shape.has_blocks:
        return conditions
    if shape.has_ids or (shape.is_first and not shape.is_filtered):  # They are few.
        return [*conditions, *visibility.is_not_blocked(User.id)]
    return [*conditions, visibility.is_outside_blocks(User.id.expression)]


def _in_order(by: Any, key: Any, id_: Any, *, is_down: bool) -> list[Any]:
    """Return the ORDER BY of an ordering; `-x` is exactly the reverse of `x`.

    `by` is the column of the ordering, and `key` that, of whatever is sorted. No two
    users have one username, so it needs no second column.
    """
    columns = [key] if by is User.username_key else [key, id_]
    return [column.desc() for column in columns] if is_down else columns


def _conditions(shape: _Shape) -> list[ColumnElement[bool]]:
    """Return what users must pass, with the values as parameters."""
    contains = func.instr if shape.is_sqlite else func.strpos
    found: list[ColumnElement[bool]] = [
        _is_indexed(_text(f"indexed_{n}"), is_sqlite=shape.is_sqlite)
        for n in range(shape.indexed)
    ]
    found += [
        contains(User.search_text, _text(f"scanned_{n}")) > 0
        for n in range(shape.scanned)
    ]
    found += [contains(_NAMES[name], _text(name)) > 0 for name in shape.names]
    if shape.has_ids:
        found.append(_is_named(is_sqlite=shape.is_sqlite))
    return found


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=Text())


def _is_indexed(text: BindParameter[str], *, is_sqlite: bool) -> ColumnElement[bool]:
    if not is_sqlite:
        return User.search_text.like(text, escape="\\")
    matches = _INDEX.c.users_search.match(text)
    return User.id.in_(select(_INDEX.c.rowid).where(matches))


def _is_named(*, is_sqlite: bool) -> ColumnElement[bool]:
    if not is_sqlite:
        return User.id == any_(bindparam("ids", type_=ARRAY(BigInteger)))
    numbers = func.json_each(_text("ids")).table_valued("value")
    return User.id.in_(select(numbers.c.value))
