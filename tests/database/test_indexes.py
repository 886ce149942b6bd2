"""Each index keeps a rule, serves a foreign key, or is in the plan of a statement."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from flask import Flask
from sqlalchemy import Engine, event, inspect

from careers_users import database
from careers_users.auth import links
from careers_users.cli.demo import fill
from careers_users.cli.demo.people import Size
from careers_users.extensions import db
from careers_users.mail import rows
from tests.account.suspending import restore, suspend
from tests.api import PASSWORD, Account, Api
from tests.database.test_tables import BY_HAND
from tests.jobs.run import run_jobs

# A plan names an index so, on either database.
_NAMED = re.compile(r"(?:INDEX|using|Index Scan on) (ix_\w+|uq_\w+)")
_EXPLAINED = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|WITH)\b")


class Calls(NamedTuple):
    """The source of the statements: an application with users."""

    app: Flask
    api: Api
    alice: Account
    celebrity: str

    def get(self, path: str) -> None:
        """Make a call as the celebrity."""
        assert self.api.get(path, token=self.celebrity).status_code == 200


Use = Callable[[Calls], object]


def getting(path: str) -> Use:
    """Return the use that a call makes of an index."""
    return lambda calls: calls.get(path)


def job(name: str) -> Use:
    """Return the use that a background job makes of an index."""
    return lambda calls: run_jobs(calls.app, name)


def _suspend(calls: Calls) -> None:
    suspend(calls.app, calls.alice)
    restore(calls.app, calls.alice)


def _claim_mail(calls: Calls) -> None:
    with calls.app.app_context():
        rows.claim()


def _void_links(calls: Calls) -> None:
    with calls.app.app_context(), database.transaction() as transaction:
        links.void(transaction, calls.alice.id, "verify")


TRIGRAMS = "ix_users_search_text_trgm"
# Of each index, what would read a whole table without it. Primary keys and unique
# constraints are rules, and need no such reason.
USES: dict[str, Use] = {
    "ix_users_created_at_id_suspended_at": getting("?ordering=created_at"),
    "ix_users_first_name_key_id_suspended_at": getting("?ordering=first_name"),
    "ix_users_last_name_key_id_suspended_at": getting("?ordering=-last_name"),
    "ix_users_suspended": job("suspensions"),
    TRIGRAMS: getting("?search=ornithology"),
    "ix_follows_follower_id_id": getting("celebrity/following/"),
    "ix_follows_following_id_id": getting("celebrity/followers/"),
    "ix_parked_follows_user_id_id": _suspend,
    "ix_blocks_blocker_id_id": getting("me/export/"),
    "ix_blocks_blocked_id_blocker_id": getting("?batch_number=1"),
    "ix_mutes_muter_id_id": getting("me/export/"),
    "ix_refresh_tokens_user_id_created_at": getting("me/sessions/"),
    "ix_refresh_tokens_expires_at": job("expired-sessions"),
    "ix_revoked_tokens_expires_at": job("expired-revocations"),
    "ix_security_events_user_id_id": getting("me/activity/"),
    "ix_security_events_created_at": job("old-security-events"),
    "ix_reserved_usernames_expires_at": job("expired-reservations"),
    "ix_known_places_expires_at": job("expired-places"),
    "ix_throttle_expires_at": job("expired-attempts"),
    "ix_activity_events_received_at": job("old-post-events"),
    "ix_mails_waiting": _claim_mail,
    "ix_mails_created_at": job("old-mail"),
    "ix_mails_user_id_purpose": _void_links,
}
# The list by username is a walk in the unique index, where that has all it asks for.
BY_USERNAME = {
    "sqlite": "ix_users_username_key_id_suspended_at",
    "postgresql": "uq_users_username_key",
}
# Rows that the deletion of a user looks for, to delete them too.
FOR_DELETIONS = {"ix_parked_follows_following_id", "ix_mutes_muted_id"}


@contextmanager
def planned(engine: Engine) -> Iterator[set[str]]:
    """Collect the names of the indexes in the plans of all statements meanwhile."""
    found: set[str] = set()

    def note(
        connection: Any, _cursor: Any, statement: str, values: Any, *_: Any
    ) -> None:
        if _EXPLAINED.match(statement):
            raw = connection.connection.driver_connection
            found.update(_NAMED.findall(plan(raw, statement, values)))

    def plan(raw: Any, statement: str, values: Any) -> str:
        if engine.dialect.name == "sqlite":
            return str(
                raw.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            )
        with raw.cursor() as cursor:
            # The tables are small, so that it would read all of them.
            cursor.execute("SET enable_seqscan = off; SET enable_sort = off")
            lines = cursor.execute(f"EXPLAIN {statement}", values).fetchall()
        return "\n".join(line[0] for line in lines)

    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def calls(app: Flask) -> Calls:
    """Return a service with some hundred users, one of whom has blocked another."""
    with app.app_context():
        fill.fill(Size(2000, 4000), lambda *_: _silent())
    api = Api(app)
    alice = api.register("alice")
    login = api.post("login/", {"username": "celebrity", "password": PASSWORD})
    celebrity: str = login.json["access"]
    api.post("follow/", {"username": "celebrity"}, token=alice.access)
    blocked = api.get("?batch_size=1").json["users"][0]["username"]
    assert api.put(f"{blocked}/block/", token=celebrity).status_code == 200
    return Calls(app, api, alice, celebrity)


@contextmanager
def _silent() -> Iterator[Callable[[int], object]]:
    yield lambda _rows: None


def indexes(engine: Engine) -> set[str]:
    """Return the names of all indexes that are not those of constraints."""
    looked_at = inspect(engine)
    return {
        str(index["name"])
        for table in looked_at.get_table_names()
        for index in looked_at.get_indexes(table)
        if not index.get("duplicates_constraint") and not BY_HAND.match(table)
    }


def test_each_index_has_what_needs_it(calls: Calls) -> None:
    with calls.app.app_context():
        engine = db.engine
    kind = engine.dialect.name
    uses = USES | {BY_USERNAME[kind]: getting("?ordering=username")}
    there = indexes(engine)
    if TRIGRAMS not in there:  # SQLite has another kind, and PostgreSQL perhaps none.
        del uses[TRIGRAMS]
    rules = {"uq_users_email_key", "uq_users_username_key"} - uses.keys()
    assert there - rules == uses.keys() | FOR_DELETIONS
    unused = []
    for name, use in uses.items():
        with planned(engine) as found:
            use(calls)
        if name not in found:
            unused.append((name, found))
    assert unused == []


def test_each_foreign_key_has_an_index_that_begins_with_it(app: Flask) -> None:
    with app.app_context():
        looked_at = inspect(db.engine)
    for table in looked_at.get_table_names():
        first = {index["column_names"][0] for index in looked_at.get_indexes(table)}
        first |= {
            rule["column_names"][0] for rule in looked_at.get_unique_constraints(table)
        }
        first |= {*looked_at.get_pk_constraint(table)["constrained_columns"][:1]}
        for key in looked_at.get_foreign_keys(table):
            assert key["constrained_columns"][0] in first, (table, key)
