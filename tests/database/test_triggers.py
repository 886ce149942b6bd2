"""The triggers that keep the search index and the total: missed when they are gone."""

import pytest
from flask import Flask
from sqlalchemy import text

from careers_users import create_app, database
from careers_users.database import schema_version
from careers_users.observability import checks
from config import TestConfig
from tests.database.migrating import TRIGGERS, engine_of

ALL = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
}


def test_the_triggers_looked_for_are_those_that_the_migrations_make(app: Flask) -> None:
    engine = engine_of(app)
    kind = engine.dialect.name
    with engine.connect() as connection:
        made = set(connection.execute(text(ALL[kind])).scalars())
    assert made == schema_version.TRIGGERS[kind]
    assert kind != "sqlite" or made == TRIGGERS
    assert schema_version.missing_triggers(engine) == []


@pytest.mark.parametrize("how", ["DROP", "DISABLE"])
def test_a_lost_trigger_is_told_by_check_readiness_and_the_log_at_start(
    app: Flask, settings: TestConfig, how: str
) -> None:
    engine = engine_of(app)
    statement = "DROP TRIGGER user_totals_insert"
    if engine.dialect.name == "postgresql":
        statement += " ON users"
        if how == "DISABLE":
            statement = "ALTER TABLE users DISABLE TRIGGER user_totals_insert"
    with engine.begin() as connection:
        connection.execute(text(statement))

    found = {each.name: each for each in checks.all_of(app, settings)}
    assert found["triggers"].state == "error"
    assert "missing: user_totals_insert." in found["triggers"].message
    at_start = [each.name for each in checks.at_start(app, settings)]
    assert "triggers" in at_start
    # An application of its own, which has not answered yet.
    reply = create_app(settings).test_client().get("/health/ready")
    assert reply.status_code == 200
    assert found["triggers"].message in reply.get_json()["warnings"]


def test_a_newer_schema_may_have_other_triggers(
    app: Flask, settings: TestConfig
) -> None:
    with engine_of(app).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9998'"))
    assert schema_version.missing_triggers(database.reader(app)) == []
    found = {each.name: each for each in checks.all_of(app, settings)}
    assert found["migrations"].state == "warning"
    assert "revision 9998, which is newer" in found["migrations"].message
    assert found["triggers"].state == found["clock"].state == "ok"
