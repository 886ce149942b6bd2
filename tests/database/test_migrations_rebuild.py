"""Migrations that make a table anew, as SQLite needs it."""

from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from careers_users.database import schema_version
from tests.api import Api
from tests.database.migrating import (
    TRIGGERS,
    add_revision,
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


KEEP_ALL = """
    triggers = op.get_bind().exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger'"
    ).scalars().all()
{rebuild}
    for trigger in triggers:
        op.execute(trigger)
"""


@pytest.mark.parametrize(
    ("change", "dropped"),
    [
        pytest.param(REBUILD.format(options=""), TRIGGERS, id="plain"),
        # A rebuild of `users` must do this too, or new users can't be found and numbers
        # are given twice.
        pytest.param(
            KEEP_ALL.format(rebuild=REBUILD.format(options=NUMBERED)),
            set(),
            id="with triggers made again",
        ),
    ],
)
def test_rebuilding_users_on_sqlite_keeps_rows_and_constraints(
    filled: Api, history: Path, change: str, dropped: set[str]
) -> None:
    def names() -> set[str]:
        with engine_of(filled.app).connect() as connection:
            master = connection.execute(text("SELECT name FROM sqlite_master"))
            uniques = inspect(connection).get_unique_constraints("users")
            return {*master.scalars(), *(str(unique["name"]) for unique in uniques)}

    before, names_before = rows(filled.app), names()
    add_revision(history, change)
    upgrade(filled.app, directory=str(history))

    columns = inspect(engine_of(filled.app)).get_columns("users")
    assert 200 in [getattr(column["type"], "length", 0) for column in columns]
    assert rows(filled.app) == before
    assert names_before - names() == dropped
    assert found(filled, "zoë") == ["alice", "bob", "carol"]
    if not dropped:
        filled.register("dave", bio="came later")
        assert found(filled, "later") == ["dave"]
        with engine_of(filled.app).begin() as connection:
            connection.execute(text("DELETE FROM users WHERE username_key = 'dave'"))
        assert filled.register("erin").id == 6


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
    assert schema_version.mistake(filled.app) is None
