"""The one source of time, so that tests can move it and no two parts disagree."""

import time
from datetime import UTC, datetime

from sqlalchemy import func
from sqlalchemy.sql.functions import Function


def utcnow() -> datetime:
    """Return the present moment as an aware datetime in UTC."""
    return datetime.now(UTC)


def database_now() -> "Function[datetime]":
    """Return the database's own moment, as SQL.

    For times that are compared with nothing but this, by instances whose clocks differ.
    """
    return func.now()


def timestamp() -> float:
    """Return the seconds since the epoch, of real time: for log lines and waitress."""
    return time.time()
