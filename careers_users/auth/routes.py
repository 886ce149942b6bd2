"""The auth calls."""

from typing import Any

from flask import Blueprint

from careers_users.auth import registration, sessions
from careers_users.auth.device import device
from careers_users.auth.identity import signed_in, viewer_claims
from careers_users.auth.login import InvalidCredentials, log_in
from careers_users.auth.password_hashing import HashingBusy
from careers_users.auth.schemas import (
    LoginReplySchema,
    LoginSchema,
    MessageSchema,
    RefreshSchema,
    RegisterReplySchema,
    RegisterSchema,
)
from careers_users.auth.suspension import AccountSuspended
from careers_users.auth.throttle import RateLimited
from careers_users.http.decorators import body, refuses, reply
from careers_users.validation.limits import BASE_PATH

bp = Blueprint("auth", __name__, url_prefix=BASE_PATH)


@bp.post("/register/")
@body(RegisterSchema())
@refuses(registration.UsernameTaken, registration.EmailTaken, HashingBusy, RateLimited)
@reply(RegisterReplySchema(), 201)
def register(payload: dict[str, Any]) -> dict[str, Any]:
    """Create an account and sign it in.

    The reply has the tokens of its first session. Names and addresses are unique
    whatever their case.
    """
    user, tokens = registration.register(payload, device())
    return {
        "user": {
            "id": user["id"],
            "username": user["username"],
            "email": user["email"],
            "first_name": user["first_name"],
            "last_name": user["last_name"],
            "bio": user["bio"],
            "avatar": user["avatar"],
            "created_at": user["created_at"],
        },
        "access": tokens.access,
        "refresh": tokens.refresh,
    }


@bp.post("/login/")
@body(LoginSchema())
@refuses(InvalidCredentials, AccountSuspended, HashingBusy, RateLimited)
@reply(LoginReplySchema())
def login(payload: dict[str, Any]) -> dict[str, Any]:
    """Sign in with username or e-mail address and password.

    Opens a session of 7 days. An unknown user, a wrong password and an inactive
    account get the same answer. The right password of a suspended account gets a 403,
    whose `details` are its `reason` and `until` when, or `null`.
    """
    account, tokens = log_in(payload["username"], payload["password"], device())
    return {
        "user": {
            "id": account["id"],
            "username": account["username"],
            "email": account["email"],
            "first_name": account["first_name"],
            "last_name": account["last_name"],
        },
        "access": tokens.access,
        "refresh": tokens.refresh,
    }


@bp.post("/logout/")
@signed_in
@body(RefreshSchema())
@refuses(sessions.ForeignSession)
@reply(MessageSchema())
def logout(payload: dict[str, Any]) -> dict[str, Any]:
    """End the session; all its tokens are refused from now on.

    Ends the session of the refresh token in the body, and that of the access token in
    the header.
    """
    sessions.log_out(viewer_claims(), payload["refresh"], device())
    return {"message": "Successfully logged out"}
