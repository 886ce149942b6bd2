"""A database with users in it, and all its rows to be compared."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import flask_migrate
from flask import Flask
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from careers_users import create_app
from careers_users.cli.demo import fill as demo
from careers_users.cli.demo import people
from careers_users.database.bulk import Report
from careers_users.extensions import db
from config import TestConfig
from tests import live_server
from tests.api import Account, Api
from tests.post_events.posts_service import leave_rows

# Only the version before reads these; see migration 0010.
OUTDATED = ("totals", "search_grams", "search_changes")
# Revisions decide what these columns hold.
DERIVED = ("first_name_key", "last_name_key", "search_text")


class Rows(NamedTuple):
    """A table's columns, and its rows in the order of their keys."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def of(self, columns: list[str]) -> list[tuple[Any, ...]]:
        """Return the rows with some of the columns."""
        places = [self.columns.index(column) for column in columns]
        return [tuple(row[place] for place in places) for row in self.rows]


@contextlib.contextmanager
def _silent(_label: str, _length: int) -> Iterator[Report]:
    yield lambda _: None


@contextlib.contextmanager
def app_on(url: str) -> Iterator[Flask]:
    """Yield an application on the database at `url`, in its context."""
    app = create_app(TestConfig(database_url=url, jwt_secret_key=live_server.KEY))
    with app.app_context():
        try:
            yield app
        finally:
            db.engine.dispose()


@contextlib.contextmanager
def api_on(url: str) -> Iterator[Api]:
    """Yield a client of an application on the database at `url`."""
    app = create_app(TestConfig(database_url=url, jwt_secret_key=live_server.KEY))
    yield Api(app)
    with app.app_context():
        db.engine.dispose()


def fill(url: str, users: int) -> None:
    """Leave rows in every table of the newest revision: many users and their actions.

    Raises AssertionError if a table has stayed empty.
    """
    with app_on(url):
        demo.fill(people.Size(users, 10 * users, people.SEED), _silent)
    with api_on(url) as api:
        ben = _live_through(api)
    with app_on(url):
        leave_rows(db.engine, ben.id)
    live_server.ask(
        url,
        "INSERT INTO throttle (key, used, started_at, expires_at) SELECT 'k', 1,"
        " created_at, created_at FROM users LIMIT 1",
    )
    empty = [
        name
        for name, table in snapshot(url).items()
        if not table.rows and name not in OUTDATED
    ]
    assert empty == [], empty


def _live_through(api: Api) -> Account:
    """Let some users act so that rows are left; return one who is still there."""
    ann, ben, cat, dan = (
        api.register(f"{name}_of_old", bio=f"I am {name}, nobody else")
        for name in ("ann", "ben", "cat", "dan")
    )
    for follower, following in ((ann, ben), (ben, ann), (ann, cat)):
        api.post("follow/", {"following": following.id}, token=follower.access)
    api.delete("cat_of_old/unfollow/", token=ann.access)
    api.post("login/", {"username": "ann_of_old", "password": "wrong"})
    api.post("token/refresh/", {"refresh": ben.refresh, "rotate": True})
    api.post("logout/", {"refresh": cat.refresh}, token=cat.access)
    api.delete("me/", json={"password": dan.password}, token=dan.access)
    # After the deletion, which leaves no change of a searched text behind.
    api.register("eve_of_old")
    return ben


def migrate(url: str, revision: str) -> None:
    """Bring a database to a revision, up or down from where it is."""
    with app_on(url):
        if revision == "base" or revision < (current(url) or ""):
            flask_migrate.downgrade(revision=revision)
        else:
            flask_migrate.upgrade(revision=revision)


def current(url: str) -> str | None:
    """Return the revision of a database; None if it has none."""
    rows = live_server.ask(url, "SELECT version_num FROM alembic_version")
    return rows[0][0] if rows else None


def snapshot(url: str) -> dict[str, Rows]:
    """Return all rows of all tables, but for what indexes keep (SQLite's FTS5)."""
    found = {}
    for name, (columns, key) in _tables(url).items():
        order = ", ".join(key or columns)
        statement = f"SELECT {', '.join(columns)} FROM {name} ORDER BY {order}"
        found[name] = Rows(columns, live_server.ask(url, statement))
    return found


def _tables(url: str) -> dict[str, tuple[list[str], list[str]]]:
    """Return the columns and the primary key of each table."""
    engine = create_engine(url, poolclass=NullPool)
    inspector = inspect(engine)
    names = {name for name in inspector.get_table_names() if name != "alembic_version"}
    if url.startswith("sqlite"):
        plain = "SELECT name FROM pragma_table_list WHERE type = 'table'"
        names &= {name for (name,) in live_server.ask(url, plain)}
    return {
        name: (
            [column["name"] for column in inspector.get_columns(name)],
            inspector.get_pk_constraint(name)["constrained_columns"],
        )
        for name in sorted(names)
    }


def assert_same(before: dict[str, Rows], after: dict[str, Rows]) -> int:
    """Assert that tables in both have the same rows; return how many rows that were."""
    both = (before.keys() & after.keys()) - {*OUTDATED}
    assert both >= {"users", "user_counters", "follows", "refresh_tokens"}
    for name in both:
        columns = [
            column
            for column in before[name].columns
            if column in after[name].columns and column not in DERIVED
        ]
        assert len(before[name].rows) == len(after[name].rows), name
        assert before[name].of(columns) == after[name].of(columns), name
    return sum(len(before[name].rows) for name in both)


def add_person(url: str, name: str) -> None:
    """Add a person who follows celebrity, as code of the present revision would.

    Whatever columns there are get the values that celebrity has.
    """
    own = {
        **dict.fromkeys(("username", "username_key", "search_text"), name),
        **dict.fromkeys(("email", "email_key"), f"{name}@example.com"),
    }
    tables = _tables(url)
    _copy(url, "users", tables["users"][0], own, "username = 'celebrity'")
    ((user_id,),) = live_server.ask(
        url, f"SELECT id FROM users WHERE username = '{name}'"
    )
    ((star,),) = live_server.ask(
        url, "SELECT id FROM users WHERE username = 'celebrity'"
    )
    counters = {"user_id": user_id, "followers_count": 0, "following_count": 1}
    _copy(url, "user_counters", tables["user_counters"][0], counters, f"user_id={star}")
    edge = {"follower_id": user_id, "following_id": star}
    _copy(url, "follows", tables["follows"][0], edge, "id = 1")
    count = "UPDATE user_counters SET followers_count = followers_count + 1"
    live_server.ask(url, f"{count} WHERE user_id = {star}")
    if "user_totals" not in tables:
        live_server.ask(url, "UPDATE totals SET value = value + 1 WHERE name = 'users'")


def _copy(
    url: str, table: str, columns: list[str], own: dict[str, Any], which: str
) -> None:
    """Insert a copy of a row, with some values of its own and a new id."""
    kept = [column for column in columns if column != "id"]
    values = [repr(own[column]) if column in own else column for column in kept]
    live_server.ask(
        url,
        f"INSERT INTO {table} ({', '.join(kept)})"
        f" SELECT {', '.join(values)} FROM {table} WHERE {which}",
    )
