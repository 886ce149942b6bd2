"""Takes over the follows of a file that was checked.

In batches, each with the counters of its users, so that after an interruption the same
call goes on where it stopped.
"""

import itertools
from typing import Any

from sqlalchemy import Connection, and_, delete, select, union

from careers_users.account import parking, suspension
from careers_users.cli.follow_check import Edge, FollowPlan
from careers_users.database import bulk
from careers_users.extensions import db
from careers_users.models import Block, Follow, ParkedFollow
from careers_users.observability import security_log

# Rows of one transaction: it holds the counters of their users at its end, and on
# SQLite the right to write for a few tenths of a second.
BATCH_ROWS = 10_000
_EDGE = {
    column.name: column.type
    for column in (
        Follow.__table__.c.follower_id,
        Follow.__table__.c.following_id,
        Follow.__table__.c.created_at,
    )
}


def write(plan: FollowPlan, report: bulk.Report) -> int:
    """Add the edges of a plan that are not here yet; return how many these were.

    In batches that are committed one by one. Raises IntegrityError if a user was
    deleted since the check; check again then.
    """
    added, edges = 0, plan.edges()
    while batch := list(itertools.islice(edges, BATCH_ROWS)):
        added += _write(batch)
        report(len(batch))
    return added


def park() -> None:
    """Park the edges of users who are suspended, which an import adds like others."""
    while suspension.settle_some():
        pass


def _write(edges: list[Edge]) -> int:
    """Add a batch; as in a follow, edges before counters and these in ascending id."""
    with db.session.begin():
        connection = db.session.connection()
        bulk.prepare(connection)
        parked = _parked(connection, edges)
        new = [edge for edge in edges if edge[:2] not in parked]
        added = bulk.add_missing(connection, Follow, _EDGE, new)
        if added:
            parking.lock_counters({end for edge in added for end in edge[:2]})
            added = _without_blocked(connection, added)
            parking.count([edge[:2] for edge in added], by=1)
    if added:
        security_log.record("follows_imported", None, number=len(added))
    return len(added)


def _without_blocked(
    connection: Connection, added: list[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """Delete the edges between users of whom one blocks the other; return the rest.

    Once the counters are locked, as in a follow: no block comes in between any more.
    """
    given = bulk.as_table(connection, _EDGE, added)
    ends = given.c.follower_id, given.c.following_id
    found = [
        select(*ends).join(
            Block, and_(Block.blocker_id == one, Block.blocked_id == two)
        )
        for one, two in (ends, ends[::-1])
    ]
    rows = connection.execute(union(*found)).all()
    blocked = {(row[0], row[1]) for row in rows}
    for follower, following in blocked:
        pair = Follow.follower_id == follower, Follow.following_id == following
        connection.execute(delete(Follow).where(*pair))
    return [edge for edge in added if edge[:2] not in blocked]


def _parked(connection: Connection, edges: list[Edge]) -> set[tuple[int, int]]:
    """Return the ends of those edges that are here, though parked."""
    given = bulk.as_table(connection, _EDGE, edges)
    ends = ParkedFollow.follower_id, ParkedFollow.following_id
    there = select(*ends).join(
        given,
        (given.c.follower_id == ParkedFollow.follower_id)
        & (given.c.following_id == ParkedFollow.following_id),
    )
    return {(row[0], row[1]) for row in connection.execute(there)}
