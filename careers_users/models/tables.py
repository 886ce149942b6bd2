"""The tables of users and of the edges between them."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from careers_users.extensions import Base
from careers_users.models.columns import Folded, Id, UTCDateTime
from careers_users.validation.limits import (
    AVATAR_MAX,
    BIO_MAX,
    EMAIL_MAX,
    EVENT_WORD_MAX,
    NAME_MAX,
    SUSPENSION_REASON_MAX,
    USERNAME_MAX,
)

_IS_SUSPENDED = text("suspended_at IS NOT NULL")


class User(Base):
    """A person: what they show, and the folded forms by which they are found."""

    __tablename__ = "users"
    __table_args__ = (
        # On PostgreSQL one index is for the rule and for the walk by username.
        UniqueConstraint("username_key").ddl_if(dialect="sqlite"),
        Index(None, "username_key", "id", "suspended_at").ddl_if(dialect="sqlite"),
        Index(
            "uq_users_username_key",
            "username_key",
            unique=True,
            postgresql_include=["id", "suspended_at"],
        ).ddl_if(dialect="postgresql"),
        # On PostgreSQL a change of what a foreign key could refer to waits for all who
        # refer to the row, and follows of this user come all the time. To an index with
        # a condition, if only one that always holds, none can.
        UniqueConstraint("email_key").ddl_if(dialect="sqlite"),
        Index(
            "uq_users_email_key",
            "email_key",
            unique=True,
            postgresql_where=text("email_key IS NOT NULL"),
        ).ddl_if(dialect="postgresql"),
        # Each ordering is a walk in an index that has all it asks for: a batch far down
        # the list is found without reading the rows before it.
        Index(None, "created_at", "id", "suspended_at"),
        Index(None, "first_name_key", "id", "suspended_at"),
        Index(None, "last_name_key", "id", "suspended_at"),
        # Suspended users are few among all; each condition is the same.
        Index(
            "ix_users_suspended",
            "id",
            "suspended_until",
            # Without this one SQLite would not take the index, and read all users.
            "suspended_at",
            postgresql_where=_IS_SUSPENDED,
            sqlite_where=_IS_SUSPENDED,
        ),
        # A number is never given twice: tokens and follow rows name users by it.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    username: Mapped[str] = mapped_column(String(USERNAME_MAX))
    username_key: Mapped[str] = mapped_column(Folded)
    email: Mapped[str] = mapped_column(String(EMAIL_MAX))
    email_key: Mapped[str] = mapped_column(Folded)
    password_hash: Mapped[str] = mapped_column(String(255))
    first_name: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    first_name_key: Mapped[str] = mapped_column(Folded, default="")
    last_name: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    last_name_key: Mapped[str] = mapped_column(Folded, default="")
    bio: Mapped[str] = mapped_column(String(BIO_MAX), default="")
    avatar: Mapped[str | None] = mapped_column(String(AVATAR_MAX))
    search_text: Mapped[str] = mapped_column(Folded)
    is_active: Mapped[bool] = mapped_column(default=True)
    token_version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # When the transaction of the user's last change began, by the database's clock: a
    # replica may lack a later change; empty if it must have it.
    changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # While the account is being deleted, no follow of it or by it can be added.
    closing_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # When the address was confirmed by a link in mail.
    email_verified_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The address that replaces it once it is confirmed at both. Others may have it
    # until then: it becomes unique as `email_key`.
    pending_email: Mapped[str | None] = mapped_column(String(EMAIL_MAX))
    pending_old_confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    pending_new_confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # When a mail server last said that the address takes no mail.
    mail_failed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Whether a block of, or by, the user has ever been made: without one, no read has
    # to look for any. `users recount` alone takes it back.
    has_blocks: Mapped[bool] = mapped_column(default=False, server_default=false())
    # While `suspended_at` is set, the user is hidden from everybody. The end is when it
    # is NULL again, not `suspended_until`, which says when that is to be.
    suspended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    suspended_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    suspension_reason: Mapped[str | None] = mapped_column(String(SUSPENSION_REASON_MAX))
    suspension_note: Mapped[str | None] = mapped_column(Text)


class UserCounters(Base):
    """The numbers shown on a profile, kept with every change.

    A table of its own: a popular user's counters change all the time, and the wide row
    with its indexes and search text should not be written again for it.
    """

    __tablename__ = "user_counters"
    __table_args__ = (
        CheckConstraint("followers_count >= 0", name="followers_count"),
        CheckConstraint("following_count >= 0", name="following_count"),
        CheckConstraint("posts_count >= 0", name="posts_count"),
        CheckConstraint("likes_received >= 0", name="likes_received"),
        CheckConstraint("comments_received >= 0", name="comments_received"),
    )

    user_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    followers_count: Mapped[int] = mapped_column(BigInteger, default=0)
    following_count: Mapped[int] = mapped_column(BigInteger, default=0)
    posts_count: Mapped[int] = mapped_column(BigInteger, default=0)
    likes_received: Mapped[int] = mapped_column(BigInteger, default=0)
    comments_received: Mapped[int] = mapped_column(BigInteger, default=0)
    # The time of the last follow or its end, on either side, by the database's clock.
    changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class ActivityEvent(Base):
    """An event that was taken in, so that it counts once however often it is sent."""

    __tablename__ = "activity_events"
    __table_args__ = (Index(None, "received_at"),)

    source: Mapped[str] = mapped_column(String(EVENT_WORD_MAX), primary_key=True)
    id: Mapped[str] = mapped_column(String(EVENT_WORD_MAX), primary_key=True)
    received_at: Mapped[datetime] = mapped_column(UTCDateTime)


class ActivityMark(Base):
    """Where one of a user's counters stands between events and snapshots.

    `debt` is how far the sum of the events lies below zero, because removals came
    before what they remove. `changed_at` is the time of the newest event that counted,
    `counted_at` that of the snapshot, which has all events up to it in it.
    """

    __tablename__ = "activity_marks"
    __table_args__ = (CheckConstraint("debt >= 0", name="debt"),)

    # A reference to the counters, not to the users: a change of a mark holds that row
    # already, so the reference never waits for a user who is being deleted.
    user_id: Mapped[int] = mapped_column(
        Id, ForeignKey("user_counters.user_id", ondelete="CASCADE"), primary_key=True
    )
    counter: Mapped[str] = mapped_column(String(30), primary_key=True)
    debt: Mapped[int] = mapped_column(BigInteger, default=0)
    changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    counted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class UserTotal(Base):
    """A part of the number of users, less suspended ones; triggers on `users` do it."""

    __tablename__ = "user_totals"

    shard: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    # Below zero where more users were deleted than added through a connection.
    value: Mapped[int] = mapped_column(BigInteger, default=0)
