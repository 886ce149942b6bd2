"""The call that changes a password."""

from typing import Any

from flask import Blueprint

from careers_users.account import password
from careers_users.auth.identity import device, signed_in, viewer_id
from careers_users.auth.password_hashing import HashingBusy
from careers_users.auth.schemas import TokensSchema
from careers_users.auth.throttle import RateLimited
from careers_users.http.decorators import body, refuses, reply
from careers_users.password.schemas import ChangePasswordSchema
from careers_users.validation.limits import BASE_PATH

bp = Blueprint("password", __name__, url_prefix=BASE_PATH)


@bp.post("/me/password/")
@signed_in
@body(ChangePasswordSchema())
@refuses(password.WrongPassword, HashingBusy, RateLimited)
@reply(TokensSchema())
def change_password(payload: dict[str, Any]) -> dict[str, Any]:
    """Change your password; every session ends, and a new one begins."""
    tokens = password.change(
        viewer_id(), payload["old_password"], payload["password"], device()
    )
    return {"access": tokens.access, "refresh": tokens.refresh}
