"""A forgotten password: a link by mail, and with it a new password."""

from typing import Any

from flask import Blueprint

from careers_users.account import password_reset
from careers_users.account.schemas import ResetConfirmSchema, ResetSchema
from careers_users.auth.device import device
from careers_users.auth.links import LinkExpired, LinkInvalid, LinkUsed
from careers_users.auth.password_hashing import HashingBusy
from careers_users.auth.schemas import MessageSchema
from careers_users.auth.throttle import RateLimited
from careers_users.http.decorators import body, refuses, reply
from careers_users.validation.limits import BASE_PATH

# Where mail is on.
bp = Blueprint("recovery", __name__, url_prefix=BASE_PATH)
_ASKED = {"message": "If there is such an account, a mail is on its way to its address"}
_DONE = {"message": "Your password has been changed; sign in with it"}


@bp.post("/password/reset/")
@body(ResetSchema())
@refuses(RateLimited)
@reply(MessageSchema(), 202, example=_ASKED)
def reset_password(payload: dict[str, Any]) -> dict[str, Any]:
    """Send a link for a new password to the address of an account.

    `username` is the username or the e-mail address. The answer is the same whether or
    not there is such a user, and beyond the limits on mail.
    """
    password_reset.ask(payload["username"], device())
    return _ASKED


@bp.post("/password/reset/confirm/")
@body(ResetConfirmSchema())
@refuses(LinkInvalid, LinkUsed, LinkExpired, HashingBusy)
@reply(MessageSchema(), example=_DONE)
def confirm_password_reset(payload: dict[str, Any]) -> dict[str, Any]:
    """Set a new password with the token of a link; every session ends.

    The address is verified with it. The link is good for 30 minutes and once; a
    password that is refused does not use it up. Sign in afterwards.
    """
    password_reset.confirm(payload["token"], payload["password"], device())
    return _DONE
