"""Migrating an application's database, for tests."""

from pathlib import Path
from typing import Any

import flask_migrate
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Engine, select

from careers_users import create_app
from careers_users.extensions import db
from config import TestConfig
from tests.api import Api
from tests.post_events.posts_service import leave_rows

KEY = "a signing key for the tests of migrations"
# Later ones go when their revision is taken back, and their rows with them.
FIRST_TABLES = "users user_counters follows refresh_tokens revoked_tokens"
ADDED_LATER = (
    "refresh_tokens.confirmed_at users.changed_at user_counters.changed_at "
    "users.closing_until users.email_verified_at users.pending_email "
    "users.pending_old_confirmed_at users.pending_new_confirmed_at "
    "users.mail_failed_at refresh_tokens.step_up_until"
)
# The readers of what revisions write, as their versions have them.
DERIVED = "users.first_name_key users.last_name_key users.search_text"


TRIGGERS = {f"users_search_{event}" for event in ("insert", "update", "delete")}
TRIGGERS |= {"user_totals_insert", "user_totals_delete"}


def make_app(url: str) -> Flask:
    """Return an application on the database at `url`, whatever is in it."""
    return create_app(TestConfig(database_url=url, jwt_secret_key=KEY))


def add_revision(history: Path, upgrade: str) -> None:
    """Write the revision after the newest; `upgrade` is the body of its function."""
    path = history / "versions" / "9999_test.py"
    path.unlink(missing_ok=True)
    newest = ScriptDirectory(str(history)).get_current_head()
    path.write_text(
        '"""A change that only a test makes."""\n'
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = '9999', {newest!r}\n"
        "branch_labels = depends_on = None\n"
        f"def upgrade():\n{upgrade}\n"
    )


def upgrade(app: Flask, **options: Any) -> None:
    """Upgrade the database of `app`; options are those of Flask-Migrate."""
    with app.app_context():
        flask_migrate.upgrade(**options)


def downgrade(app: Flask, revision: str) -> None:
    with app.app_context():
        flask_migrate.downgrade(revision=revision)


def engine_of(app: Flask) -> Engine:
    """Return the engine of `app`, on which foreign keys are enforced."""
    with app.app_context():
        return db.engine


def rows(app: Flask) -> dict[str, list[Any]]:
    """Return all rows of the tables that there have been since the first revision."""
    found = {}
    with engine_of(app).connect() as connection:
        for table in [db.metadata.tables[name] for name in FIRST_TABLES.split()]:
            others = (ADDED_LATER + " " + DERIVED).split()
            columns = [c for c in table.c if str(c) not in others]
            ordered = select(*columns).order_by(*table.primary_key)
            found[table.name] = [tuple(row) for row in connection.execute(ordered)]
    return found


def fill(api: Api) -> None:
    """Leave a row in every table: users, numbers, edges, sessions, revocations, ..."""
    alice, bob, dora, carol = (
        api.register(name, first_name="Zoë", bio=f"I am {name}, nobody else")
        for name in ("alice", "bob", "dora", "carol")
    )
    api.delete("me/", json={"password": dora.password}, token=dora.access)
    for follower, following in ((alice, bob), (bob, alice), (alice, carol)):
        api.post("follow/", {"following": following.id}, token=follower.access)
    api.delete("carol/unfollow/", token=alice.access)
    api.post("logout/", {"refresh": carol.refresh}, token=carol.access)
    leave_rows(engine_of(api.app), bob.id)
    assert all(rows(api.app).values())


def found(api: Api, term: str) -> list[str]:
    """Return whom a search finds."""
    reply = api.get("", query_string={"search": term}).json
    assert reply["batch_info"]["total_users"] == len(reply["users"])
    return [user["username"] for user in reply["users"]]
