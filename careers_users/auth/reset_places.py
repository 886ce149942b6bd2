"""Whether a reset was asked for at a place where its user has signed in.

Strangers can ask for resets of any user, and so use up the mail that an address gets.
What is asked for at a known place is counted apart, as logins are, or they could keep a
user from ever getting a link. The row's keyed hash has the place in it, so that asking
costs the same for every name.
"""

from sqlalchemy import bindparam, select

from careers_users import clock
from careers_users.auth import places
from careers_users.auth.device import Device
from careers_users.database import Query
from careers_users.keys import keyed_hash
from careers_users.mail.outbox import MailRow
from careers_users.models import KnownPlace, User
from careers_users.validation.usernames import identity


def asked_hash(name: str, device: Device) -> str:
    """Return the keyed hash of what was typed into a reset, and of where."""
    return _hash(places.place_key(device.address), identity(name) or name)


def is_from_known_place(mail: MailRow) -> bool:
    """Return whether a reset was asked for at a known place of its user."""
    known = _KNOWN.all(user_id=mail.user_id, now=clock.utcnow())
    return any(
        _hash(row["key"], name) == mail.asked
        for row in known
        for name in (row["username_key"], row["email_key"])
    )


def _hash(place_key: str, name: str) -> str:
    return keyed_hash("resets", place_key, name)


_KNOWN = Query(
    select(KnownPlace.key, User.username_key, User.email_key)
    .join(User, User.id == KnownPlace.user_id)
    .where(KnownPlace.user_id == bindparam("user_id"))
    .where(KnownPlace.expires_at > bindparam("now"))
)
