"""The tables: columns, constraints, indexes. No queries and no rules."""

from careers_users.models.background import JobLease, Mail
from careers_users.models.columns import UTCDateTime
from careers_users.models.graph import Block, Follow, Mute, ParkedFollow
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
    User,
    UserCounters,
    UserTotal,
)

__all__ = [
    "ActivityEvent",
    "ActivityMark",
    "Block",
    "Follow",
    "JobLease",
    "KnownPlace",
    "Mail",
    "Mute",
    "ParkedFollow",
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
