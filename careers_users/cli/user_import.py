"""Takes over the users of a file that was checked.

In batches, each with its counters and the total, so that after an interruption the same
call goes on where it stopped.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from careers_users.auth.registration import UsernameTaken
from careers_users.cli import user_queries
from careers_users.cli.user_check import Plan
from careers_users.database import bulk
from careers_users.extensions import db
from careers_users.models import User, UserCounters
from careers_users.observability import security_log

# Rows of one transaction.
BATCH = 1000

UserRow = dict[str, Any]


def write(plan: Plan, report: bulk.Report) -> None:
    """Add the users of a plan, in batches that are committed one by one.

    Raises IntegrityError or UsernameTaken if a name was taken, or given up,
    since the check; check again then.
    """
    rows = (found.row for found in plan.spooled() if found.present is None)
    if plan.keeps_ids:
        with db.session.begin():
            bulk.reserve_up_to(db.session.connection(), User, plan.last_id)
    while batch := list(itertools.islice(rows, BATCH)):
        _write(batch)
        report(len(batch))


def _write(rows: list[UserRow]) -> None:
    with db.session.begin():
        connection = db.session.connection()
        bulk.prepare(connection)
        if "id" not in rows[0]:
            ids = bulk.reserve_ids(connection, User, len(rows))
            rows = [{"id": id_, **row} for id_, row in zip(ids, rows, strict=True)]
        bulk.write(connection, User, rows)
        counters = (_NO_COUNTS | {"user_id": row["id"]} for row in rows)
        bulk.write(connection, UserCounters, counters)
        # After the names were taken, as at registration.
        names = [row["username_key"] for row in rows]
        if db.session.execute(user_queries.reserved(names)).first():
            raise UsernameTaken
    security_log.record("users_imported", None, number=len(rows))


_NO_COUNTS = {
    "user_id": 0,
    "followers_count": 0,
    "following_count": 0,
    "posts_count": 0,
    "likes_received": 0,
    "comments_received": 0,
}


def mapped(plan: Plan) -> Iterator[UserRow]:
    """Yield the number of each user of a plan there and here, once it is written."""
    spooled = plan.spooled()
    while batch := list(itertools.islice(spooled, BATCH)):
        names = [found.row["username_key"] for found in batch]
        ids = {
            row["username_key"]: row["id"] for row in user_queries.keys_among(names, ())
        }
        for found in batch:
            key, username = found.row["username_key"], found.row["username"]
            if key in ids:  # The account was not deleted meanwhile.
                yield {
                    "old_id": found.old_id,
                    "new_id": ids[key],
                    "username": username,
                }
