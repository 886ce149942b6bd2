"""The database: its statements, what its errors mean, and how it is asked otherwise."""

from careers_users.database import bulk, errors, pruning, replica, schema_version
from careers_users.database.engine import probing_engine
from careers_users.database.query import (
    Query,
    Row,
    Transaction,
    fetch,
    room_for,
    transaction,
)
from careers_users.database.target import init_app, is_sqlite, observers, reader
from careers_users.database.time_limit import reading_within

__all__ = [
    "Query",
    "Row",
    "Transaction",
    "bulk",
    "errors",
    "fetch",
    "init_app",
    "is_sqlite",
    "observers",
    "probing_engine",
    "pruning",
    "reader",
    "reading_within",
    "replica",
    "room_for",
    "schema_version",
    "transaction",
]
