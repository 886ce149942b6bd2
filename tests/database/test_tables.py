"""The tables that the migrations make: those of the models, with all their rules."""

import re
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import IntegrityError

from careers_users.extensions import db
from careers_users.models import Follow, RefreshToken, UserCounters
from tests.api import Api

# The search's indexes and triggers, for which SQLAlchemy has no words, and Alembic's
# own table.
BY_HAND = re.compile(
    r"users_search|ix_users_search_text_trgm|user_totals_\w+|alembic_version"
    # Only the version before reads these; see migration 0010.
    r"|(pk_|ck_)?(totals|search_grams|search_changes)\b|ck_totals_value"
)


def parts(sql: str) -> list[str]:
    """Cut a definition at the commas between its columns and constraints.

    These may stand in any order: a column added later stands elsewhere in the text.
    """
    head, _, body = sql.partition("(")
    found, depth = [""], 0
    for character in body.rstrip().removesuffix(")"):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return sorted([head.strip(), *(part.strip() for part in found)])


def definitions(connection: Connection) -> dict[str, Any]:
    """Return the definition of everything in a database, by its name."""
    if connection.dialect.name == "sqlite":
        statement = (
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite~_%'"
        )
        found = {
            name: parts(sql)
            for name, sql in connection.execute(text(statement + " ESCAPE '~'"))
        }
    else:
        schema = "'public'::regnamespace"
        statement = f"""
            SELECT conname || ' (rule)', conrelid::regclass || pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = {schema}
            UNION ALL SELECT relname, pg_get_indexdef(oid)
            FROM pg_class WHERE relnamespace = {schema} AND relkind = 'i'
            UNION ALL SELECT attrelid::regclass || '.' || attname, concat_ws(' ',
                format_type(atttypid, atttypmod), attcollation::regcollation,
                attnotnull, pg_get_expr(adbin, adrelid))
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE relnamespace = {schema} AND relkind = 'r' AND attnum > 0
        """
        found = {row[0]: row[1] for row in connection.execute(text(statement))}
    return {name: found[name] for name in found if not BY_HAND.match(name)}


def test_the_migrated_database_is_that_of_the_models(app: Flask) -> None:
    with app.app_context():
        with db.engine.connect() as connection:
            migrated = definitions(connection)
            totals = connection.execute(text("SELECT value FROM user_totals")).all()
        flask_migrate.downgrade(revision="base")
        db.create_all()
        with db.engine.connect() as connection:
            assert migrated == definitions(connection)
    assert {"uq_follows_follower_id_following_id", "follows"} & migrated.keys()
    assert {tuple(total) for total in totals} == {(0,)}


def test_every_constraint_and_index_of_the_models_has_its_name(app: Flask) -> None:
    with app.app_context():
        inspector = inspect(db.engine)
    for table in db.metadata.sorted_tables:
        there = {
            inspector.get_pk_constraint(table.name)["name"],
            *(part["name"] for part in inspector.get_unique_constraints(table.name)),
            *(part["name"] for part in inspector.get_check_constraints(table.name)),
            *(part["name"] for part in inspector.get_foreign_keys(table.name)),
            *(part["name"] for part in inspector.get_indexes(table.name)),
        }
        wanted = {str(constraint.name) for constraint in table.constraints}
        wanted |= {str(index.name) for index in table.indexes}
        if inspector.dialect.name == "postgresql":  # See migration 0014.
            wanted.discard("ix_users_username_key_id_suspended_at")
        if table.dialect_options["sqlite"]["autoincrement"]:
            # SQLite takes AUTOINCREMENT only in the column, where it drops the name.
            there.add(f"pk_{table.name}")
        assert wanted <= there, table.name


EDGE = "INSERT INTO follows (follower_id, following_id, created_at) VALUES ({}, {}, {})"
NOW = "'2024-01-15 10:30:00'"
COUNTERS = (
    "followers_count following_count posts_count likes_received comments_received"
).split()
REFUSED = {
    EDGE.format(1, 1, NOW): "ck_follows_not_oneself",
    EDGE.format(1, 2, NOW): "uq_follows_follower_id_following_id|UNIQUE.*follows",
    EDGE.format(1, 999, NOW): "fk_follows_following_id_users|FOREIGN KEY",
    EDGE.format(999, 1, NOW): "fk_follows_follower_id_users|FOREIGN KEY",
    "UPDATE users SET email_key = 'x'": "uq_users_email_key|UNIQUE.*users.email_key",
    "UPDATE users SET username_key = 'x'": "uq_users_username_key|UNIQUE.*username_key",
    **{
        f"UPDATE user_counters SET {counter} = -1": f"ck_user_counters_{counter}"
        for counter in COUNTERS
    },
}


def follow_each_other(api: Api) -> None:
    """Register users 1 and 2, each of whom follows the other."""
    alice, bob = api.register("alice"), api.register("bob")
    api.post("follow/", {"following": bob.id}, token=alice.access)
    api.post("follow/", {"following": alice.id}, token=bob.access)


def test_the_database_itself_refuses_what_cannot_be(app: Flask, api: Api) -> None:
    follow_each_other(api)
    with app.app_context():
        for statement, constraint in REFUSED.items():
            with (
                pytest.raises(IntegrityError, match=constraint),
                db.engine.begin() as connection,
            ):
                connection.execute(text(statement))
    stats = api.get("alice/stats/").json
    assert stats is not None
    assert [stats[counter] for counter in COUNTERS] == [1, 1, 0, 0, 0]


def test_deleting_a_user_deletes_all_that_refers_to_it(app: Flask, api: Api) -> None:
    follow_each_other(api)
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("DELETE FROM users WHERE username_key = 'alice'"))
        assert connection.execute(select(func.count(Follow.id))).scalar_one() == 0
        for owner in (UserCounters.user_id, RefreshToken.user_id):
            assert connection.execute(select(owner)).scalars().all() == [2]
    assert b'"users":[]' in api.get("", query_string={"search": "alice"}).data
    # The number of a deleted user is never given again.
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("DELETE FROM users"))
    assert api.register("carol").id == 3
