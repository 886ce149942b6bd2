"""E-mail addresses: verified by a link, and changed once both sides have confirmed."""

from typing import Any

from flask import Blueprint

from careers_users.auth import email_change, email_verification, queries
from careers_users.auth.device import device
from careers_users.auth.identity import signed_in_with, viewer
from careers_users.auth.link_schemas import (
    ChangeConfirmedSchema,
    LinkTokenSchema,
    NothingSchema,
)
from careers_users.auth.links import LinkExpired, LinkInvalid, LinkUsed
from careers_users.auth.registration import EmailTaken
from careers_users.auth.schemas import MessageSchema
from careers_users.http.decorators import body, refuses, reply
from careers_users.validation.limits import BASE_PATH

# Each is there if its setting says so: EMAIL_VERIFICATION, EMAIL_CHANGE.
verification = Blueprint("email", __name__, url_prefix=BASE_PATH)
change = Blueprint("email_change", __name__, url_prefix=BASE_PATH)
_SENT = {"message": "A mail with a link is on its way to your address"}
_VERIFIED = {"message": "Your email address is verified"}
_MESSAGES = {
    None: "Your email address has changed",
    "old": "Thank you; now confirm it by the mail to your present address",
    "new": "Thank you; now confirm it by the mail to your new address",
}


@verification.post("/email/verify/send/")
@signed_in_with(queries.VERIFIED_VIEWER)
@body(NothingSchema())
@reply(MessageSchema(), 202, also=(200,), example=_SENT)
def send_verification(**_body: Any) -> Any:
    """Send a link to your address, to show that you read mail there.

    200 if it is verified already. Beyond the limits on mail the answer is the same, and
    nothing is sent.
    """
    if viewer()["email_verified_at"] is not None:
        return _VERIFIED, 200
    email_verification.ask(viewer()["id"], device())
    return _SENT


@verification.post("/email/verify/")
@body(LinkTokenSchema())
@refuses(LinkInvalid, LinkExpired)
@reply(MessageSchema(), example=_VERIFIED)
def verify_email(payload: dict[str, Any]) -> dict[str, Any]:
    """Verify an address with the token of a link; once more is no error.

    Needs no access token: the link may be opened on another device.
    """
    email_verification.verify(payload["token"], device())
    return _VERIFIED


@change.post("/email/change/confirm/")
@body(LinkTokenSchema())
@refuses(LinkInvalid, LinkUsed, LinkExpired, EmailTaken)
@reply(
    ChangeConfirmedSchema(), example={"message": _MESSAGES[None], "waiting_for": None}
)
def confirm_email_change(payload: dict[str, Any]) -> dict[str, Any]:
    """Confirm a change of address with the token of a link.

    It is made once the new address has confirmed it, and the old one too if that is
    verified.
    """
    waiting_for = email_change.confirm(payload["token"], device())
    return {"message": _MESSAGES[waiting_for], "waiting_for": waiting_for}
