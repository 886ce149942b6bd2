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
# The columns of the first revision that mean the same ever since. Later ones go, with
# what they hold, when their revision is taken back; a new column is none of these.
FIRST_COLUMNS = {
    "users": "id username username_key email email_key password_hash first_name "
    "last_name bio avatar is_active token_version created_at updated_at",
    "user_counters": "user_id followers_count following_count posts_count "
    "likes_received comments_received",
    "follows": "id follower_id following_id created_at",
    "refresh_tokens": "id user_id generation created_at last_used_at expires_at "
    "revoked_at revoked_reason user_agent address",
    "revoked_tokens": "id revoked_at expires_at",
}


TRIGGERS = {f"users_search_{event}" for event in ("insert", "update", "delete")}
TRIGGERS |= {f"user_totals_{event}" for event in ("insert", "delete", "suspend")}


def make_app(url: str) -> Flask:
    """Return an application on the database at `url`, whatever is in it."""
    return create_app(TestConfig(database_url=url, jwt_secret_key=KEY))


def add_revision(history: Path, upgrade: str, downgrade: str = "    pass") -> None:
    """Write the revision after the newest, with the bodies of its two functions."""
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
        f"def downgrade():\n{downgrade}\n"
    )


def upgrade(app: Flask, **options: Any) -> None:
    """Upgrade the database of `app`; options are those of Flask-Migrate."""
    with app.app_context():
        flask_migrate.upgrade(**options)


def downgrade(app: Flask, revision: str, **options: Any) -> None:
    with app.app_context():
        flask_migrate.downgrade(revision=revision, **options)


def engine_of(app: Flask) -> Engine:
    """Return the engine of `app`, on which foreign keys are enforced."""
    with app.app_context():
        return db.engine


def rows(app: Flask) -> dict[str, list[Any]]:
    """Return what has been in the database since its first revision."""
    found = {}
    with engine_of(app).connect() as connection:
        for name, columns in FIRST_COLUMNS.items():
            table = db.metadata.tables[name]
            chosen = select(*(table.c[column] for column in columns.split()))
            ordered = chosen.order_by(*table.primary_key)
            found[name] = [tuple(row) for row in connection.execute(ordered)]
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
