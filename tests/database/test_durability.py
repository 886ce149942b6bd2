"""A success that was answered is on the disk, as far as that is ours to decide."""

from flask import Flask

from careers_users import database
from careers_users.extensions import db

FULL = 2  # sqlite.org/pragma.html#pragma_synchronous


def test_connections_wait_for_the_disk(app: Flask, database_kind: str) -> None:
    with app.app_context():
        for engine in (db.engine, database.reader()):
            with engine.connect() as connection:
                if database_kind == "sqlite":
                    asked = connection.exec_driver_sql("PRAGMA synchronous")
                    assert asked.scalar_one() == FULL
                    asked = connection.exec_driver_sql("PRAGMA journal_mode")
                    assert asked.scalar_one() == "wal"
                    continue
                # Whatever the operator has set; nothing that the service says itself.
                ours = connection.exec_driver_sql(
                    "SELECT name FROM pg_settings WHERE source = 'session'"
                    " AND name IN ('synchronous_commit', 'fsync', 'full_page_writes')"
                )
                assert ours.all() == []
