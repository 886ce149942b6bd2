"""The tables of sessions, of what is known about sign-ins, and of the audit trail."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from careers_users.extensions import Base
from careers_users.models.columns import Folded, Id, UTCDateTime
from careers_users.validation.limits import (
    ADDRESS_MAX,
    EVENT_MAX,
    USER_AGENT_MAX,
)


class RefreshToken(Base):
    """A session: one row for each login, as long as its refresh token is good.

    The token itself is not stored; it carries this row's id and generation. A rotation
    adds one to the generation; `confirmed_at` is when the new one was first used.
    Until `step_up_until` the password need not be asked for again.
    """

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index(None, "user_id", "created_at"),
        Index(None, "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    generation: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_reason: Mapped[str | None] = mapped_column(String(30))
    user_agent: Mapped[str] = mapped_column(String(USER_AGENT_MAX), default="")
    address: Mapped[str] = mapped_column(String(ADDRESS_MAX), default="")
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    step_up_until: Mapped[datetime | None] = mapped_column(UTCDateTime)


class RevokedToken(Base):
    """The id of a session or token that is over, until it would have expired anyway."""

    __tablename__ = "revoked_tokens"
    __table_args__ = (Index(None, "expires_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    revoked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)


class SecurityEvent(Base):
    """Something that happened to an account; rows are added and never changed.

    Without a reference to `users`: the event of a deletion stays after the account.
    """

    __tablename__ = "security_events"
    __table_args__ = (
        Index(None, "user_id", "id"),
        Index(None, "created_at"),
        # Cursors name events by number.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(Id)
    event: Mapped[str] = mapped_column(String(EVENT_MAX))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    address: Mapped[str] = mapped_column(String(ADDRESS_MAX), default="")
    user_agent: Mapped[str] = mapped_column(String(USER_AGENT_MAX), default="")
    details: Mapped[str] = mapped_column(Text, default="{}")


class ReservedUsername(Base):
    """The folded name of an account that was deleted, until others may have it."""

    __tablename__ = "reserved_usernames"
    __table_args__ = (Index(None, "expires_at"),)

    username_key: Mapped[str] = mapped_column(Folded, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)


class KnownPlace(Base):
    """A place that a user has signed in from, until it is forgotten.

    `key` is a keyed hash of an address, or of an IPv6 network.
    """

    __tablename__ = "known_places"
    __table_args__ = (Index(None, "expires_at"),)

    user_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Throttle(Base):
    """Tries of one kind by one person or place, in a window of time.

    `key` is a keyed hash of kind and whom: no name and no address is stored.
    """

    __tablename__ = "throttle"
    __table_args__ = (Index(None, "expires_at"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    used: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
