"""The auth calls."""

import re
from typing import Any

from flask import Blueprint, request

from careers_users import throttle
from careers_users.auth import service
from careers_users.auth.identity import signed_in, viewer_claims
from careers_users.auth.schemas import (
    AccessSchema,
    LoginReplySchema,
    LoginSchema,
    MessageSchema,
    RefreshSchema,
    RegisterReplySchema,
    RegisterSchema,
)
from careers_users.auth.tokens import Device
from careers_users.errors import TokenInvalid
from careers_users.http import BASE_PATH, body, refuses, reply
from careers_users.limits import ADDRESS_MAX, USER_AGENT_MAX
from careers_users.throttle import Bucket, RateLimited

bp = Blueprint("auth", __name__, url_prefix=BASE_PATH)

_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")


@bp.post("/register/")
@body(RegisterSchema())
@refuses(service.UsernameTaken, service.EmailTaken, RateLimited)
@reply(RegisterReplySchema(), 201)
def register(payload: dict[str, Any]) -> dict[str, Any]:
    """Create an account and sign it in."""
    user, tokens = service.register(payload, device())
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
@refuses(service.InvalidCredentials, RateLimited)
@reply(LoginReplySchema())
def login(payload: dict[str, Any]) -> dict[str, Any]:
    """Sign in with username or e-mail address and password."""
    account, tokens = service.log_in(payload["username"], payload["password"], device())
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


@bp.post("/token/refresh/")
@body(RefreshSchema())
@refuses(TokenInvalid, RateLimited)
@reply(AccessSchema())
def refresh(payload: dict[str, Any]) -> dict[str, Any]:
    """Get a new access token; an Authorization header is not looked at."""
    caller = Bucket("refresh", (throttle.place(device().address),))
    with throttle.counting(TokenInvalid, caller):
        return {"access": service.refresh(payload["refresh"])}


@bp.post("/logout/")
@signed_in
@body(RefreshSchema())
@refuses(service.ForeignSession)
@reply(MessageSchema())
def logout(payload: dict[str, Any]) -> dict[str, Any]:
    """End the session; all its tokens are refused from now on."""
    service.log_out(viewer_claims(), payload["refresh"])
    return {"message": "Successfully logged out"}


def device() -> Device:
    """Return from where the current request comes, as far as it tells."""
    user_agent = _NOT_PRINTABLE.sub("?", request.user_agent.string)
    return Device(
        user_agent=user_agent[:USER_AGENT_MAX],
        address=(request.remote_addr or "")[:ADDRESS_MAX],
    )
