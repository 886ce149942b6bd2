"""A forgotten password: a link by mail to the stored address, and a new password.

Asking writes one row and answers the same, in the same time, for names that exist and
names that do not. Whether mail goes out is decided when that row is sent.
"""

from sqlalchemy import func

from careers_users import clock
from careers_users.account import password, queries
from careers_users.auth import audit, links, outgoing, places, reset_places, throttle
from careers_users.auth.device import Device
from careers_users.auth.password_hashing import passwords
from careers_users.auth.schemas import refuse_known
from careers_users.auth.throttle import Bucket, uncounted_in_trouble
from careers_users.models import User


def ask(name: str, device: Device) -> None:
    """Ask for a link for the user of a name or address, if there is one.

    Raises RateLimited, after too many from one address.
    """
    tries = throttle.reserve(Bucket("mail_asked", (places.place(device.address),)))
    with uncounted_in_trouble(tries):
        _ask(name, device)


def _ask(name: str, device: Device) -> None:
    user_id = queries.user_id(name)
    asked = reset_places.asked_hash(name, device)
    with audit.short_transaction() as trail:
        trail.record_repeated(
            "password_reset_requested", user_id or audit.NO_USER, device, whom=(name,)
        )
        outgoing.put(trail.transaction, links.RESET, user_id, device, asked=asked)


def confirm(token: str, new: str, device: Device) -> None:
    """Set the password of a link's user; end all sessions, and verify the address.

    Raises LinkInvalid, LinkUsed or LinkExpired; or ValidationError for a password that
    others can see, after which the link is still good.
    """
    link = links.read(token, links.RESET)
    row = links.check(link, links.look(link))
    refuse_known(new, row["username"], row["email"])
    new_hash = passwords().hash(new)
    with audit.transaction() as trail:
        version = password.replace(
            trail,
            link.user_id,
            new_hash,
            "password_reset",
            device,
            link=link,
            # The link was followed from the mail at this address.
            email_verified_at=func.coalesce(User.email_verified_at, clock.utcnow()),
        )
        if version is None:
            raise links.LinkInvalid
        trail.record("password_reset", link.user_id, device)
