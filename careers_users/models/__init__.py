"""The tables: columns, constraints, indexes. No queries and no rules."""

from careers_users.models.columns import UTCDateTime
from careers_users.models.tables import (
    ActivityEvent,
    ActivityMark,
    Follow,
    JobLease,
    KnownPlace,
    RefreshToken,
    ReservedUsername,
    RevokedToken,
    SecurityEvent,
    Throttle,
    User,
    UserCounters,
    UserTotal,
)

__all__ = [
    "ActivityEvent",
    "ActivityMark",
    "Follow",
    "JobLease",
    "KnownPlace",
    "RefreshToken",
    "ReservedUsername",
    "RevokedToken",
    "SecurityEvent",
    "Throttle",
    "UTCDateTime",
    "User",
    "UserCounters",
    "UserTotal",
]
