"""The tables of the social graph: who follows, blocks and mutes whom."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from careers_users.extensions import Base
from careers_users.models.columns import Id, UTCDateTime


class Follow(Base):
    """An edge: `follower_id` follows `following_id`."""

    __tablename__ = "follows"
    __table_args__ = (
        UniqueConstraint("follower_id", "following_id"),
        CheckConstraint("follower_id <> following_id", name="not_oneself"),
        Index(None, "follower_id", "id"),
        Index(None, "following_id", "id"),
        # Cursors name edges by number; a number given twice would confuse them.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    follower_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE")
    )
    following_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE")
    )
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class ParkedFollow(Base):
    """An edge that is out of all lists and counters while one of its ends is suspended.

    It is a row of `follows` with its number, so that it comes back to its place.
    """

    __tablename__ = "parked_follows"
    __table_args__ = (
        UniqueConstraint("follower_id", "following_id"),
        CheckConstraint("follower_id <> following_id", name="not_oneself"),
        Index(None, "following_id"),
        Index(None, "user_id", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    follower_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE")
    )
    following_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE")
    )
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # The end whose suspension parks the edge.
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))


class Block(Base):
    """`blocker_id` blocks `blocked_id`: neither meets the other in lists."""

    __tablename__ = "blocks"
    __table_args__ = (
        UniqueConstraint("blocker_id", "blocked_id"),
        CheckConstraint("blocker_id <> blocked_id", name="not_oneself"),
        Index(None, "blocker_id", "id"),
        # Which users a block hides from another is read in two indexes alone.
        Index(None, "blocked_id", "blocker_id"),
        # Cursors name blocks by number.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    blocker_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE")
    )
    blocked_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE")
    )
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Mute(Base):
    """`muter_id` leaves `muted_id` out of feeds, for good or until `muted_until`."""

    __tablename__ = "mutes"
    __table_args__ = (
        UniqueConstraint("muter_id", "muted_id"),
        CheckConstraint("muter_id <> muted_id", name="not_oneself"),
        Index(None, "muter_id", "id"),
        Index(None, "muted_id"),
        # Cursors name mutes by number.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    muter_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE")
    )
    muted_id: Mapped[int] = mapped_column(
        Id, ForeignKey("users.id", ondelete="CASCADE")
    )
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    muted_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
