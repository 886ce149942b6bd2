"""The tables: columns, constraints, indexes. No queries and no rules."""

from careers_users.models.background import JobLease, Mail
from careers_users.models.columns import UTCDateTime
from careers_users.models.security import (
    KnownPlace,
    RefreshToken,
    ReservedUsername,
    RevokedToken,
    SecurityEvent,
    Throttle,
)
from careers_users.models.tables import (
    ActivityEvent,
    ActivityMark,
    Follow,
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
    "Mail",
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
