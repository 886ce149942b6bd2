"""Migrations that make a table anew, as SQLite needs it."""

from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from careers_users.database import schema_version
from tests.api import Api
from tests.database.migrating import (
    TRIGGERS,
    add_revision,
    downgrade,
    engine_of,
    found,
    rows,
    upgrade,
)

REBUILD = """
    with op.batch_alter_table("users"{options}) as users:
        users.alter_column("first_name", type_=sa.String(200))
"""
NUMBERED = ", table_kwargs={'sqlite_autoincrement': True}"
ADD = """
    op.add_column("users", sa.Column("shoe_size", sa.Integer()))
    op.create_index("ix_users_shoe_size", "users", ["shoe_size"])
"""
DROP = """
    op.drop_index("ix_users_shoe_size", "users")
    op.drop_column("users", "shoe_size")
"""
BATCH_DROP = f"""
    with op.batch_alter_table("users"{NUMBERED}) as users:
        users.drop_index("ix_users_shoe_size")
        users.drop_column("shoe_size")
"""


def names(api: Api) -> set[str]:
    """Return the names of all that the database has, constraints of users included."""
    with engine_of(api.app).connect() as connection:
        master = connection.execute(text("SELECT name FROM sqlite_master"))
        uniques = inspect(connection).get_unique_constraints("users")
        return {*master.scalars(), *(str(unique["name"]) for unique in uniques)}


def assert_searches_follow(api: Api) -> None:
    """Assert that users who come and go are found, and their numbers are used once."""
    assert found(api, "zoë") == ["alice", "bob", "carol"]
    dave = api.register("dave", bio="came later")
    assert found(api, "later") == ["dave"]
    with engine_of(api.app).begin() as connection:
        connection.execute(text("DELETE FROM users WHERE username_key = 'dave'"))
    assert found(api, "later") == []
    assert api.register("erin").id == dave.id + 1


def test_rebuilding_users_on_sqlite_keeps_rows_constraints_and_triggers(
    filled: Api, history: Path
) -> None:
    before, names_before = rows(filled.app), names(filled)
    assert names_before >= TRIGGERS
    add_revision(history, REBUILD.format(options=NUMBERED))
    upgrade(filled.app, directory=str(history))

    columns = inspect(engine_of(filled.app)).get_columns("users")
    assert 200 in [getattr(column["type"], "length", 0) for column in columns]
    assert rows(filled.app) == before
    assert names(filled) == names_before
    assert_searches_follow(filled)


def test_a_rebuild_that_would_give_numbers_twice_is_refused(
    filled: Api, history: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, names_before = rows(filled.app), names(filled)
    add_revision(history, REBUILD.format(options=""))
    with pytest.raises(SystemExit, match="1"):
        upgrade(filled.app, directory=str(history))
    assert "would lose AUTOINCREMENT" in caplog.text
    assert (rows(filled.app), names(filled)) == (before, names_before)
    assert_searches_follow(filled)


@pytest.mark.parametrize("drop", [DROP, BATCH_DROP], ids=["plain", "in batch mode"])
def test_taking_back_a_column_on_sqlite_keeps_the_triggers(
    filled: Api, history: Path, drop: str
) -> None:
    before, names_before = rows(filled.app), names(filled)
    add_revision(history, ADD, drop)
    upgrade(filled.app, directory=str(history))
    assert names(filled) == names_before | {"ix_users_shoe_size"}
    downgrade(filled.app, "-1", directory=str(history))
    assert (rows(filled.app), names(filled)) == (before, names_before)
    assert_searches_follow(filled)


def test_a_migration_that_breaks_references_is_refused(
    filled: Api, history: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = rows(filled.app)
    add_revision(history, "    op.execute('DELETE FROM users WHERE id = 1')")

    with pytest.raises(SystemExit, match="1"):
        upgrade(filled.app, directory=str(history))

    assert "This would leave broken references" in caplog.text
    assert "follows" in caplog.text
    assert rows(filled.app) == before
    assert schema_version.mistake(engine_of(filled.app)) is None
