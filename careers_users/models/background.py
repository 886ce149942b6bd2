"""The tables of work that no request waits for: background jobs, and mail."""

from datetime import datetime

from sqlalchemy import Float, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from careers_users.extensions import Base
from careers_users.models.columns import Id, UTCDateTime
from careers_users.validation.limits import EMAIL_MAX, LOCALE_MAX

_IS_WAITING = text("state = 'waiting'")


class JobLease(Base):
    """A background job: when it is due, and the process that runs it."""

    __tablename__ = "jobs"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    holder: Mapped[str | None] = mapped_column(String(60))
    # While a process runs the job; after a failure, until it may be tried again.
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    succeeded_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    seconds: Mapped[float | None] = mapped_column(Float)
    failures: Mapped[int] = mapped_column(Integer, default=0)


class Mail(Base):
    """A mail to be sent: a row of the transaction that the mail tells of.

    It holds no token, no text, and no address that was typed. `address` is one that was
    stored with an account and is no longer: for the mail that says so, until it has
    been sent. Without a reference to `users`: it stays when the account is deleted, and
    no insert waits for that.
    """

    __tablename__ = "mails"
    __table_args__ = (
        # The rows that can be claimed: first tries before repeated ones.
        Index(
            "ix_mails_waiting",
            "tries",
            "next_try_at",
            sqlite_where=_IS_WAITING,
            postgresql_where=_IS_WAITING,
        ),
        Index(None, "user_id", "purpose"),
        Index(None, "created_at"),
        # A link's token is made from the number of its row: none is given twice.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    purpose: Mapped[str] = mapped_column(String(30))
    user_id: Mapped[int | None] = mapped_column(Id)
    locale: Mapped[str] = mapped_column(String(LOCALE_MAX))
    # A keyed hash of the name or address that a reset was asked for, and of the place;
    # of the device that a mail is about.
    asked: Mapped[str | None] = mapped_column(String(64))
    address: Mapped[str | None] = mapped_column(String(EMAIL_MAX))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    next_try_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # When the link in it expires; it is not sent any more then.
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # Counted when a process claims the row, which so tells its claim from a later one.
    tries: Mapped[int] = mapped_column(Integer, default=0)
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # waiting, sent, failed (it can't be delivered) or dropped (nothing was to be sent).
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    error: Mapped[str | None] = mapped_column(String(60))
    # When its link was used, and when a change made its link void.
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    voided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
