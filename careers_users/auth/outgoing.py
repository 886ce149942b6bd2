"""Mail that the features send: which purposes there are, and how long each matters."""

from datetime import timedelta

from flask import current_app

from careers_users.auth.device import Device
from careers_users.auth.links import LIFETIMES, VERIFY
from careers_users.database import Transaction
from careers_users.mail import outbox

# These can be asked for again and again. They have limits of their own, so that the
# mail that tells of acts on an account always has room.
ASKED_FOR = tuple(LIFETIMES)
PASSWORD, ADDRESS = "password-changed", "address-changed"
NEW_DEVICE, SUSPENSION, DELETION = "new-device", "suspension", "deletion"
# Mail that tells of an act is no news any more after this time.
_NEWS_LIFETIME = timedelta(hours=24)


def put(
    transaction: Transaction,
    purpose: str,
    user_id: int | None,
    device: Device,
    *,
    asked: str | None = None,
    address: str | None = None,
) -> None:
    """Add a mail to the caller's transaction, in the language of the request.

    One statement, and none where mail is off. `asked` and `address` are those of
    `outbox.put`.
    """
    if not outbox.is_on():
        return
    outbox.put(
        transaction,
        purpose,
        user_id=user_id,
        locale=device.locale or outbox.locales()[0],
        asked=asked,
        address=address,
        ends_after=LIFETIMES.get(purpose, _NEWS_LIFETIME),
    )


def put_verification(transaction: Transaction, user_id: int, device: Device) -> None:
    """Add a mail that asks whether an address is the user's; nothing if none is to."""
    if current_app.config["EMAIL_VERIFICATION"] != "off":
        put(transaction, VERIFY, user_id, device)
