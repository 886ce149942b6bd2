"""The composers: what a mail of each purpose says, and to whom, when it is sent.

Not when it was asked for: the answer to that must be the same for every name, and a
link or an account may have changed since. Nothing that a person chose is in mail to an
address that is not verified.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select

from careers_users import database
from careers_users.auth import links, outgoing, places, reset_places, throttle
from careers_users.auth.device import Device
from careers_users.auth.links import Link
from careers_users.auth.throttle import Bucket, RateLimited
from careers_users.database import Query, Row
from careers_users.http.errors import ServiceError
from careers_users.mail.outbox import Composer, Letter, MailRow
from careers_users.models import KnownPlace, RefreshToken, User
from careers_users.validation import folding

Notice = Callable[[MailRow, Row], Letter | None]


def _with_link(mail: MailRow) -> Letter | None:
    """Compose a mail whose link the user has asked for."""
    assert mail.user_id is not None
    link = Link(mail.id, mail.user_id, mail.purpose)
    row = links.look_settled(link)
    try:
        row = links.check(link, row)
    except ServiceError:  # It would be of no use any more.
        return None
    if mail.purpose == links.VERIFY and row["email_verified_at"] is not None:
        return None
    to = row["pending_email" if mail.purpose == links.CHANGE_NEW else "email"]
    if to is None:
        return None
    lifetime = links.LIFETIMES[mail.purpose]
    values = {
        "hours": str(lifetime // timedelta(hours=1)),
        "minutes": str(lifetime // timedelta(minutes=1)),
    }
    if mail.purpose == links.CHANGE_OLD:
        # It goes to a verified address alone.
        values |= {"username": row["username"], "new_email": row["pending_email"]}
    return Letter(to, values, link.token())


def _reset(mail: MailRow) -> Letter | None:
    """Compose a reset, if what was typed into it is the name of an active user."""
    return None if mail.user_id is None else _with_link(mail)


def _notice(mail: MailRow, user: Row) -> Letter | None:
    """Tell of an act."""
    return Letter(user["email"], _about(user, mail.created_at))


def _address_changed(mail: MailRow, user: Row) -> Letter | None:
    """Tell of a change of address at the former one.

    A row that has failed has lost it: tried again by an operator, it is dropped.
    """
    if mail.address is None:
        return None
    return Letter(mail.address, _about(user, mail.created_at))


def _about(user: Row, moment: datetime) -> dict[str, str]:
    return {"username": user["username"], "time": _written(moment)}


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _new_device(mail: MailRow, user: Row) -> Letter | None:
    """Tell of a sign-in, and know the device from then on."""
    sessions = _SESSIONS.all(user_id=user["id"], until=mail.created_at)
    mine = [row for row in sessions if _key_of(row) == mail.asked]
    if not mine or not _becomes_known(mail):
        return None
    return Letter(
        user["email"],
        {
            **_about(user, mine[0]["created_at"]),
            "device": mine[0]["user_agent"] or "-",
            "address": mine[0]["address"] or "-",
        },
    )


def _key_of(session: Row) -> str:
    return places.device_key(Device(session["user_agent"], session["address"]))


def _becomes_known(mail: MailRow) -> bool:
    """Write that a device is known; return whether it was not before this mail.

    Asked again at the next try to send the mail, the answer is the same: it is known
    since this mail exactly, unless another sign-in has told of it.
    """
    assert mail.user_id is not None
    assert mail.asked is not None
    until = mail.created_at + timedelta(days=places.KNOWN_DAYS)
    with database.transaction() as transaction:
        known = transaction.execute(_KNOWN, owner=mail.user_id, key=mail.asked)
        if known and known[0]["expires_at"] > mail.created_at:
            return bool(known[0]["expires_at"] == until)
        places.remember(transaction, mail.user_id, [mail.asked], mail.created_at)
    return True


def _to_verified(compose: Notice) -> Composer:
    """Return the composer of a notice to a user, if the user's address is verified."""

    def composer(mail: MailRow) -> Letter | None:
        user = _USER.one(user_id=mail.user_id)
        if user is None:
            return None
        letter = compose(mail, user)
        # A former address in the row was verified.
        is_verified = mail.address or user["email_verified_at"] is not None
        return letter if is_verified else None

    return composer


def _deletion(mail: MailRow) -> Letter | None:
    """Tell the owner of an account that is gone; its address was verified."""
    if mail.address is None:
        return None
    return Letter(mail.address, {"time": _written(mail.created_at)})


def _within_limits(compose: Composer) -> Composer:
    """Return a composer that sends an address no more mail than the contract allows."""

    def composer(mail: MailRow) -> Letter | None:
        letter = compose(mail)
        return letter if letter is None or _admit(mail, letter.to) else None

    return composer


def _admit(mail: MailRow, address: str) -> bool:
    """Count a mail to an address; return whether one more may be sent there.

    At the first try: those after it are the same mail.
    """
    if mail.tries > 1:
        return True
    to = folding.identity(address)
    kind = _kind(mail)
    try:
        with database.transaction() as transaction:
            throttle.count(
                transaction,
                Bucket("mail_minute", (mail.purpose, to)),
                Bucket("mail_hour", (kind, to)),
                Bucket("mail_day", (kind, to)),
            )
    except RateLimited:
        return False
    return True


def _kind(mail: MailRow) -> str:
    """Return with which other mail to its address one is counted."""
    if mail.purpose not in outgoing.ASKED_FOR:
        return "notice"
    if mail.purpose == links.RESET and reset_places.is_from_known_place(mail):
        return "asked at a known place"
    return "asked"


COMPOSERS: dict[str, Composer] = {
    purpose: _within_limits(compose)
    for purpose, compose in {
        links.VERIFY: _with_link,
        links.RESET: _reset,
        links.CHANGE_OLD: _with_link,
        links.CHANGE_NEW: _with_link,
        outgoing.PASSWORD: _to_verified(_notice),
        outgoing.ADDRESS: _to_verified(_address_changed),
        outgoing.NEW_DEVICE: _to_verified(_new_device),
        outgoing.SUSPENSION: _to_verified(_notice),
        outgoing.DELETION: _deletion,
    }.items()
}

_USER = Query(
    select(User.id, User.username, User.email, User.email_verified_at).where(
        User.id == bindparam("user_id")
    )
)
_SESSIONS = Query(
    select(RefreshToken.user_agent, RefreshToken.address, RefreshToken.created_at)
    .where(RefreshToken.user_id == bindparam("user_id"))
    .where(RefreshToken.created_at <= bindparam("until"))
    .order_by(RefreshToken.created_at.desc())
    .limit(100)
)
_KNOWN = Query(
    select(KnownPlace.expires_at)
    .where(KnownPlace.user_id == bindparam("owner"))
    .where(KnownPlace.key == bindparam("key"))
)
