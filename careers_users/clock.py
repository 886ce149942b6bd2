"""The one source of time, so that tests can move it and no two parts disagree."""

from datetime import UTC, datetime


def utcnow() -> datetime:
    """Return the present moment as an aware datetime in UTC."""
    return datetime.now(UTC)
