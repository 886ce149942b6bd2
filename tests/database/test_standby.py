"""A PostgreSQL server that has become a standby, while another may be written to."""

from collections.abc import Iterator

import pytest
from flask import Flask

from careers_users.extensions import db
from tests import postgres
from tests.api import Account, Api, Reply
from tests.conftest import KINDS, driver_url

pytestmark = pytest.mark.skipif("postgresql" not in KINDS, reason="left out")


@pytest.fixture
def database_url(postgresql: postgres.Server) -> Iterator[str]:
    """Yield the URL of a migrated PostgreSQL database."""
    yield driver_url(postgresql.create("standby", "template"))
    postgresql.drop("standby")


def demote(app: Flask, connections: int = 4) -> None:
    """Fill the pool with connections that can only read, as those to a standby."""
    with app.app_context():
        opened = [db.engine.raw_connection() for _ in range(connections)]
        for each in opened:
            driver = each.driver_connection
            assert driver is not None
            driver.execute("SET default_transaction_read_only = on")
        for each in opened:
            each.close()


def test_the_write_after_the_first_that_fails_finds_the_other_host(
    api: Api, app: Flask
) -> None:
    alice, bob = api.register("alice"), api.register("bob")

    def follow() -> Reply:
        return api.post("follow/", {"following": bob.id}, token=alice.access)

    def change() -> Reply:
        return api.patch("me/", {"bio": "hello"}, token=alice.access)

    for write, status in ((follow, 201), (change, 200)):
        demote(app)
        assert write().status_code == 503
        assert write().status_code == status


def test_a_statement_that_takes_too_long_is_called_that(
    api: Api, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    alice: Account = api.register("alice")
    with app.app_context(), db.engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        with db.engine.connect() as other:
            driver = other.connection.driver_connection
            assert driver is not None
            driver.execute("SET statement_timeout = '50ms'")
        reply = api.get("alice/", token=alice.access)
    assert reply.status_code == 503
    assert "A statement was cancelled, or took longer than" in caplog.text
    assert "can't be reached" not in caplog.text
