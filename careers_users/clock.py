"""The one source of time, so that tests can move it and no two parts disagree."""

import time
from datetime import UTC, datetime


def utcnow() -> datetime:
    """Return the present moment as an aware datetime in UTC."""
    return datetime.now(UTC)


def timestamp() -> float:
    """Return the seconds since the epoch; for log lines, which are about real time."""
    return time.time()
