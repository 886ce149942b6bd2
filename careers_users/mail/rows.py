"""The rows of the outbox: how a process claims one, and writes down what became of it.

A claim counts as a try and lasts LEASE_SECONDS, so a killed process keeps no mail from
being sent by another. The number of the try tells a claim from the next: a process
that was slower than its lease changes nothing any more.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Engine,
    bindparam,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)

from careers_users import clock, database
from careers_users.database import Query, Row
from careers_users.extensions import db
from careers_users.mail.outbox import WAITING, MailRow
from careers_users.models import Mail, User

# Longer than any conversation with a mail server takes (see `smtp`).
LEASE_SECONDS = 300
# From one try to the next: tries at 0, 1, 5, 15 and 60 minutes.
_FIRST_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 4, 10, 45))
_LATER_DELAY = timedelta(hours=3)
# A part of the later delay, so that an outage's mail does not come back all at once.
_SPREAD = 0.2
# Tries end so long after the mail was written, or earlier with its link.
_TRIED_FOR = timedelta(hours=24)

SENT, FAILED, DROPPED = "sent", "failed", "dropped"
STATES = (WAITING, SENT, FAILED, DROPPED)


@dataclass(frozen=True)
class Claim:
    """A row that this process is to send."""

    row: MailRow

    @property
    def tries(self) -> int:
        """Return the number of the try."""
        return self.row.tries


@dataclass(frozen=True)
class Waiting:
    """How the mail stands that is not sent yet."""

    number: int = 0
    oldest: datetime | None = None
    # Tried in vain, and why the last of them was.
    tried: int = 0
    error: str | None = None
    # Due, but claimed by no process, since when.
    unclaimed_since: datetime | None = None


def is_due() -> bool:
    """Return whether there is mail to be claimed; a read of one entry of an index."""
    return bool(_DUE.all(now=clock.utcnow()))


def claim() -> Claim | None:
    """Claim the next mail that is due, first tries before others; None if none is."""
    now = clock.utcnow()
    until = now + timedelta(seconds=LEASE_SECONDS)
    with database.transaction() as transaction:
        found = transaction.execute(_CLAIM, now=now, until=until)
    if not found:
        return None
    return Claim(MailRow(**found[0]))


def finish(claimed: Claim, state: str, error: str | None, to: str | None) -> bool:
    """Write down the end of a mail; return whether the claim was still ours.

    `to` is where it went: if that is the user's address, they can see that it fails.
    """
    now = clock.utcnow()
    with database.transaction() as transaction:
        # Users before their mail, as changes of an account lock them.
        if to is not None and claimed.row.user_id is not None:
            failed_at = now if state == FAILED else None
            noted = {"whose": claimed.row.user_id, "at": to, "failed_at": failed_at}
            query = _NOTE if state == FAILED else _FORGET
            transaction.defer(query, **noted, **_key(claimed))
        held = transaction.execute(
            _FINISH, **_key(claimed), now=now, outcome=state, why=error
        )
    return bool(held)


def try_again(claimed: Claim, error: str) -> datetime | None:
    """Let a mail be tried again; return when, or None if there is no time left."""
    row, next_try = claimed.row, clock.utcnow() + delay(claimed)
    if next_try >= min(row.ends_at, row.created_at + _TRIED_FOR):
        finish(claimed, FAILED, error, None)
        return None
    with database.transaction() as transaction:
        transaction.execute(_AGAIN, **_key(claimed), next_try=next_try, why=error)
    return next_try


def delay(claimed: Claim) -> timedelta:
    """Return how long a mail waits for its next try."""
    if claimed.tries <= len(_FIRST_DELAYS):
        return _FIRST_DELAYS[claimed.tries - 1]
    # A hash spreads the delays of many mails, and gives each mail the same one always.
    spread = zlib.crc32(f"{claimed.row.id} {claimed.tries}".encode()) / 2**32
    return _LATER_DELAY * (1 + _SPREAD * (2 * spread - 1))


def waiting(engine: Engine) -> Waiting:
    """Return how the mail stands that waits; SQLAlchemyError if none can be asked."""
    with engine.connect() as connection:
        found = connection.execute(_STANDS, {"now": clock.utcnow()}).mappings().one()
        error = connection.scalar(_LAST_ERROR) if found["tried"] else None
    return Waiting(**found, error=error)


def listed(state: str | None, limit: int) -> list[Row]:
    """Return the newest mails, in one state or in all; for operators."""
    chosen = select(*_LISTED).order_by(Mail.id.desc()).limit(limit)
    return [
        *database.fetch(chosen if state is None else chosen.where(Mail.state == state))
    ]


def retry(numbers: Sequence[int] | None) -> int:
    """Let these mails be tried again now, or all that failed; return how many.

    Not those that are sent or dropped, have expired, or are being sent just now.
    """
    now = clock.utcnow()
    is_asked_for = (
        Mail.state == FAILED
        if numbers is None
        else Mail.state.in_((WAITING, FAILED)) & Mail.id.in_(numbers)
    )
    again = (
        update(Mail)
        .where(is_asked_for)
        .where(Mail.ends_at > now)
        .where(or_(Mail.leased_until.is_(None), Mail.leased_until <= now))
        .values(state=WAITING, next_try_at=now, done_at=None, error=None)
    )
    with db.session.begin():
        result = db.session.execute(
            again, execution_options={"synchronize_session": False}
        )
    assert isinstance(result, CursorResult)
    return result.rowcount


_LISTED = (
    Mail.id,
    Mail.purpose,
    Mail.user_id,
    Mail.locale,
    Mail.state,
    Mail.tries,
    Mail.error,
    Mail.created_at,
    Mail.next_try_at,
    Mail.ends_at,
    Mail.done_at,
    Mail.used_at,
)


def _key(claimed: Claim) -> dict[str, Any]:
    return {"number": claimed.row.id, "try": claimed.tries}


# A literal, not a parameter: a partial index serves only statements that state its
# condition.
IS_WAITING: ColumnElement[bool] = Mail.state == literal_column("'waiting'")
_IS_FREE = or_(Mail.leased_until.is_(None), Mail.leased_until <= bindparam("now"))
_IS_DUE = (IS_WAITING, Mail.next_try_at <= bindparam("now"), _IS_FREE)
_ONE: ColumnElement[int] = literal_column("1")
_DUE = Query(select(Mail.id).where(*_IS_DUE).limit(_ONE))
# The rows that other processes claim just now are passed over. PostgreSQL evaluates a
# CTE with a lock once; as a plain subquery it might run it for each row.
_NEXT = (
    select(Mail.id)
    .where(*_IS_DUE)
    .order_by(Mail.tries, Mail.next_try_at)
    .limit(_ONE)
    .with_for_update(skip_locked=True)
    .cte("next_mail")
)
_CLAIM = Query(
    update(Mail)
    .where(Mail.id.in_(select(_NEXT.c.id)))
    .values(tries=Mail.tries + 1, leased_until=bindparam("until"))
    .returning(*(getattr(Mail, name) for name in MailRow.__dataclass_fields__))
)
_HELD = (
    update(Mail)
    .where(Mail.id == bindparam("number"))
    .where(Mail.tries == bindparam("try"))
    .where(IS_WAITING)
    .returning(Mail.id)
)
_FINISH = Query(
    _HELD.values(
        state=bindparam("outcome"),
        error=bindparam("why"),
        done_at=bindparam("now"),
        leased_until=null(),
        address=null(),
    )
)
_AGAIN = Query(
    _HELD.values(
        next_try_at=bindparam("next_try"), error=bindparam("why"), leased_until=null()
    )
)
_OF_ADDRESS = (
    update(User)
    .where(User.id == bindparam("whose"))
    .where(User.email == bindparam("at"))
    .where(
        select(Mail.id)
        .where(Mail.id == bindparam("number"))
        .where(Mail.tries == bindparam("try"))
        .where(IS_WAITING)
        .exists()
    )
    .values(mail_failed_at=bindparam("failed_at"))
)
_NOTE = Query(_OF_ADDRESS)
_FORGET = Query(_OF_ADDRESS.where(User.mail_failed_at.is_not(None)))
_STANDS = select(
    func.count(Mail.id).label("number"),
    func.min(Mail.created_at).label("oldest"),
    func.count(Mail.error).label("tried"),
    func.min(Mail.next_try_at).filter(_IS_FREE).label("unclaimed_since"),
).where(IS_WAITING)
_LAST_ERROR = (
    select(Mail.error)
    .where(IS_WAITING)
    .where(Mail.error.is_not(None))
    .order_by(Mail.id.desc())
    .limit(_ONE)
)
