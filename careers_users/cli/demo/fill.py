"""Fills the database with invented users."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import func, select
from sqlalchemy import text as sql

from careers_users import database
from careers_users.account import suspension
from careers_users.auth.password_hashing import passwords
from careers_users.cli.demo import people
from careers_users.cli.demo.people import Size
from careers_users.database import bulk
from careers_users.extensions import db
from careers_users.follow import blocks, mutes
from careers_users.http.errors import ServiceError
from careers_users.models import Follow, User, UserCounters
from careers_users.observability import security_log

# The document's example; everybody can know it.
PASSWORD = "password123"
_EMAILS = "@example.com"
_NOTE = "The demo's example of a suspended user."

# Shows the progress of so many rows of something.
Progress = Callable[[str, int], AbstractContextManager[bulk.Report]]


class HasUsers(ServiceError):
    """Users who are there already would stand among the invented ones."""

    status = 409
    code = "conflict"
    error = "There are users in this database already"


def fill(size: Size, progress: Progress, *, add: bool = False) -> None:
    """Add the users and the edges of `size`, all or, if interrupted, nothing.

    Raises HasUsers if there are users already, unless `add` says to join them. Until it
    is done no client can register or follow.
    """
    password_hash = passwords().hash(PASSWORD)
    with db.session.begin():
        connection = db.session.connection()
        bulk.prepare(connection)
        if connection.dialect.name == "postgresql":
            # Taken first, so that no user registers between this look and the commit.
            lock = "LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"
            db.session.execute(sql(lock))
        there = db.session.execute(select(func.count()).select_from(User)).scalar_one()
        if there and not add:
            raise HasUsers(
                f"There are {there:,} users here already; --add adds to them."
            )
        taken = _taken_names() if there else set()
        ids = bulk.reserve_ids(connection, User, size.users)
        ordered = people.pairs(size)
        for label, model, number, rows in (
            ("Users", User, size.users, people.people(size, password_hash, ids, taken)),
            ("Counters", UserCounters, size.users, people.counters(ordered, ids)),
            ("Follows", Follow, size.edges, people.follows(ordered, ids)),
        ):
            with progress(label, number) as report:
                bulk.write(connection, model, rows, report)
    bulk.finish(db.engine)
    security_log.record("demo_users_added", None, users=size.users)


def suspend_last() -> str:
    """Suspend the user with the highest number, as an example; return the name."""
    newest = select(User.id, User.username).order_by(User.id.desc()).limit(1)
    user = database.fetch(newest)[0]
    suspension.suspend(user["id"], "spam", note=_NOTE)
    name: str = user["username"]
    return name


def block_and_mute() -> None:
    """Let the user before the last block one user and mute another, as an example."""
    columns = User.id, User.username, User.has_blocks
    newest = select(*columns).order_by(User.id.desc()).limit(4)
    _, user, blocked, muted = database.fetch(newest)
    blocks.block(user, blocked["username"])
    mutes.mute(user, muted["username"], seconds=None)


def _taken_names() -> set[str]:
    """Return the usernames, folded, that are taken, or whose e-mail address is."""
    rows = db.session.execute(select(User.username_key, User.email_key))
    taken = set()
    for username, email in rows:
        taken |= {username, email.removesuffix(_EMAILS)}
    return taken
