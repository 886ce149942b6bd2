"""The database: its engine, how statements get there, and what its errors mean."""

from careers_users.database.engine import (
    fetch_all,
    fetch_one,
    init_app,
    is_sqlite,
    reader,
    reader_of,
    reading_from,
    transaction,
)

__all__ = [
    "fetch_all",
    "fetch_one",
    "init_app",
    "is_sqlite",
    "reader",
    "reader_of",
    "reading_from",
    "transaction",
]
