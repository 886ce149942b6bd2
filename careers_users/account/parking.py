"""Edges of suspended users: parked, out of all lists and counters, and brought back.

Each batch is a transaction that moves edges together with the counters of both ends.
It looks first whether the user is suspended, and keeps that so until its commit: edges
move towards where they belong, also while the user is suspended and restored again.

Locks are taken in one order: users, parked edges, edges, counters; each in ascending
number. Users first, since a row that refers to one who is being deleted waits for that.
An edge is added before counters are locked, as in a follow: the constraint that it is
there once waits for a follow or unfollow under way, which waits for the counters.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Select,
    and_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from careers_users import clock, database
from careers_users.database import bulk
from careers_users.extensions import db
from careers_users.models import Block, Follow, ParkedFollow, User, UserCounters

# Edges of one transaction. Follows of all their ends wait for its commit.
BATCH_ROWS = 1000
_COUNTS = {
    "user_id": BigInteger(),
    "followers": BigInteger(),
    "following": BigInteger(),
}

Table = type[Follow] | type[ParkedFollow]
Pair = tuple[int, int]  # The follower, and the one followed.


class _SuspendedMeanwhile(Exception):
    """A suspension of another end began or ended before its counters were locked."""


def settle(user_id: int, report: bulk.Report = lambda _rows: None) -> None:
    """Move all edges of a user that are not where they belong, in batches.

    `report` is called with the number of edges of each batch. May be interrupted and
    called again; also twice at once.
    """
    while moved := settle_batch(user_id):
        report(moved)


def settle_batch(user_id: int) -> int:
    """Park edges of a suspended user, or bring those of another back; return how many.

    At most BATCH_ROWS, the oldest first; 0 if all are where they belong, or if there is
    no such user.
    """
    while True:
        with suppress(_SuspendedMeanwhile), db.session.begin():
            return _settle(user_id)


def left(user_id: int) -> int:
    """Return how many edges of a user `settle` has to move."""
    mine = or_(Follow.follower_id == user_id, Follow.following_id == user_id)
    is_suspended = select(User.suspended_at.is_not(None)).where(User.id == user_id)
    here = select(func.count()).select_from(Follow).where(mine)
    parked = select(func.count()).where(ParkedFollow.user_id == user_id)
    number = case(
        (is_suspended.scalar_subquery(), here.scalar_subquery()),
        else_=parked.scalar_subquery(),
    )
    found: int = database.fetch(select(number.label("edges")))[0]["edges"]
    return found


# --------------------------------------------------------------------------- one batch


def _settle(user_id: int) -> int:
    # Keeps others from suspending and restoring the user until the commit.
    statement = select(User.suspended_at).where(User.id == user_id)
    found = db.session.execute(statement.with_for_update(read=True)).one_or_none()
    if found is None:
        return 0
    return _bring_back(user_id) if found[0] is None else _park(user_id)


def _park(user_id: int) -> int:
    # By two indexes in the order of the numbers; an OR would sort all edges each time.
    sides = [
        select(Follow.id).where(end == user_id).order_by(Follow.id).limit(BATCH_ROWS)
        for end in (Follow.follower_id, Follow.following_id)
    ]
    either = union_all(*(select(side.subquery().c.id) for side in sides)).subquery()
    oldest = select(either.c.id).order_by(either.c.id).limit(BATCH_ROWS)
    found = _rows(Follow, Follow.id.in_(oldest))
    edges = _held(Follow, found)
    lock_counters(_ends(edges))
    mine = bulk.is_among(Follow.id, edges)
    owner = literal(user_id, ParkedFollow.user_id.type).label("user_id")
    # One may be parked already: followed anew between restoring and bringing it back.
    _insert(ParkedFollow, select(*_columns(Follow), owner).where(mine))
    _execute(delete(Follow).where(mine))
    count(edges.values(), by=-1)
    return len(found)


def _bring_back(user_id: int) -> int:
    mine = ParkedFollow.user_id == user_id
    oldest = select(ParkedFollow.id).where(mine)
    oldest = oldest.order_by(ParkedFollow.id).limit(BATCH_ROWS)
    found = _rows(ParkedFollow, ParkedFollow.id.in_(oldest))
    edges = _held(ParkedFollow, found)
    others = {id_: pair[pair[0] == user_id] for id_, pair in edges.items()}
    suspended = _suspended({*others.values()})
    blocked = _blocked(user_id, {*others.values()})
    waiting = {id_ for id_, other in others.items() if other in suspended}
    refused = {id_ for id_, other in others.items() if other in blocked} - waiting
    # One may be there already: followed anew before it came back.
    free = bulk.is_among(ParkedFollow.id, edges.keys() - waiting - refused)
    back = _insert(Follow, select(*_columns(ParkedFollow)).where(free))
    lock_counters(_ends(edges))
    # A suspension locks the counters before its commit, so this look is the last.
    if _suspended({*others.values()}) != suspended:
        raise _SuspendedMeanwhile
    _execute(
        delete(ParkedFollow).where(
            bulk.is_among(ParkedFollow.id, edges.keys() - waiting)
        )
    )
    # The others come back when the user at their other end is restored.
    other_end = case(
        (ParkedFollow.follower_id == user_id, ParkedFollow.following_id),
        else_=ParkedFollow.follower_id,
    )
    rest = update(ParkedFollow).where(mine, bulk.is_among(ParkedFollow.id, waiting))
    _execute(rest.values(user_id=other_end))
    count(back, by=1)
    return len(found)


def _columns(table: Table) -> list[Any]:
    return [table.id, table.follower_id, table.following_id, table.created_at]


def _rows(table: Table, condition: ColumnElement[bool]) -> dict[int, Pair]:
    columns = table.id, table.follower_id, table.following_id
    found = db.session.execute(select(*columns).where(condition))
    return {id_: (follower, following) for id_, follower, following in found}


def _held(table: Table, found: dict[int, Pair]) -> dict[int, Pair]:
    """Lock edges and their ends until the commit; return those that are still there."""
    is_end = bulk.is_among(User.id, _ends(found))
    _lock(select(User.id).where(is_end), read=True)
    if table is Follow:  # Some may be parked already, too: these come first.
        same = and_(
            ParkedFollow.follower_id == Follow.follower_id,
            ParkedFollow.following_id == Follow.following_id,
        )
        twice = select(ParkedFollow.id).where(bulk.is_among(Follow.id, found), same)
        _lock(twice, of=ParkedFollow)
    held = _lock(select(table.id).where(bulk.is_among(table.id, found)))
    return {id_: found[id_] for id_ in held}


def _ends(edges: dict[int, Pair]) -> set[int]:
    return {end for pair in edges.values() for end in pair}


def _lock(
    keys: Select[int], *, read: bool = False, of: Table | None = None
) -> Sequence[int]:
    """Lock rows in ascending order of the key that is selected; return the keys.

    With `read`, only against their end; `of` is the table, if there are several. On
    SQLite the whole database is ours already.
    """
    ordered = keys.order_by(*keys.selected_columns)
    ordered = ordered.with_for_update(read=read, key_share=True, of=of)
    return db.session.execute(ordered).scalars().all()


def _suspended(user_ids: Collection[int]) -> set[int]:
    """Return the users among these who are suspended."""
    suspended = select(User.id).where(User.suspended_at.is_not(None))
    found = db.session.execute(suspended.where(bulk.is_among(User.id, user_ids)))
    return {*found.scalars()}


def _blocked(user_id: int, user_ids: Collection[int]) -> set[int]:
    """Return the users among these with a block of, or by, a user."""
    by_user = select(Block.blocked_id).where(
        Block.blocker_id == user_id, bulk.is_among(Block.blocked_id, user_ids)
    )
    of_user = select(Block.blocker_id).where(
        Block.blocked_id == user_id, bulk.is_among(Block.blocker_id, user_ids)
    )
    return {*db.session.execute(union_all(by_user, of_user)).scalars()}


def _insert(table: Table, rows: Select[Any]) -> Sequence[Pair]:
    """Insert rows that no unique constraint refuses; return the ends of these."""
    insert: Any = sqlite.insert if database.is_sqlite() else postgresql.insert
    names = [column.name for column in rows.selected_columns]
    added = insert(table).from_select(names, rows).on_conflict_do_nothing()
    ends = added.returning(table.follower_id, table.following_id)
    return [(row[0], row[1]) for row in db.session.execute(ends)]


def _execute(statement: Executable) -> None:
    options = {"synchronize_session": False}
    db.session.execute(statement, execution_options=options)


# ---------------------------------------------------------------------------- counters


def lock_counters(user_ids: Collection[int]) -> None:
    """Lock the counters of users until the commit, in ascending id, as follows do."""
    wanted = bulk.is_among(UserCounters.user_id, user_ids)
    _lock(select(UserCounters.user_id).where(wanted))


def count(pairs: Iterable[Pair], *, by: int) -> None:
    """Add `by` to the counters of both ends of each edge; they are locked already.

    The caller commits.
    """
    followers, following = Counter[int](), Counter[int]()
    for follower, followed in pairs:
        following[follower] += by
        followers[followed] += by
    ids = sorted(followers.keys() | following.keys())
    if not ids:
        return
    connection = db.session.connection()
    changes = [(id_, followers[id_], following[id_]) for id_ in ids]
    given = bulk.as_table(connection, _COUNTS, changes)
    _execute(
        update(UserCounters)
        .where(UserCounters.user_id == given.c.user_id)
        .values(
            followers_count=UserCounters.followers_count + given.c.followers,
            following_count=UserCounters.following_count + given.c.following,
            changed_at=clock.database_now(),
        )
    )
