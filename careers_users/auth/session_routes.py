"""Sessions: refreshed and rotated, listed and ended by their owner."""

from typing import Any

from flask import Blueprint

from careers_users.auth import places, step_up, throttle
from careers_users.auth import queries as auth_queries
from careers_users.auth import sessions as session_service
from careers_users.auth.device import device
from careers_users.auth.identity import signed_in, viewer_claims
from careers_users.auth.link_schemas import ConfirmedSchema, ConfirmSchema
from careers_users.auth.password_hashing import HashingBusy
from careers_users.auth.schemas import (
    LoggedOutSchema,
    LogoutAllSchema,
    MessageSchema,
    RenewedSchema,
    RenewSchema,
    SessionsSchema,
)
from careers_users.auth.step_up import WrongPassword
from careers_users.auth.throttle import Bucket, RateLimited
from careers_users.http.decorators import body, refuses, reply
from careers_users.http.errors import TokenInvalid
from careers_users.validation.limits import BASE_PATH

bp = Blueprint("sessions", __name__, url_prefix=BASE_PATH)


@bp.post("/token/refresh/")
@body(RenewSchema())
@refuses(TokenInvalid, RateLimited)
@reply(RenewedSchema())
def refresh_tokens(payload: dict[str, Any]) -> dict[str, Any]:
    """Get a new access token; an Authorization header is not looked at.

    With `rotate` the reply also has a new refresh token, which replaces the one sent as
    soon as one of the new tokens is used.
    """
    source = device()
    caller = Bucket("refresh", (places.place(source.address),))
    with throttle.counting(TokenInvalid, caller):
        renewed = session_service.refresh(payload["refresh"], payload["rotate"], source)
    return {name: token for name, token in vars(renewed).items() if token}


@bp.post("/logout/all/")
@signed_in
@body(LogoutAllSchema())
@reply(LoggedOutSchema())
def logout_all(payload: dict[str, Any]) -> dict[str, Any]:
    """End all your sessions, or all but this one.

    Their tokens are refused from now on; `count` says how many sessions ended.
    """
    keep = payload["keep_current"]
    count = session_service.end_all(viewer_claims(), device(), keep_current=keep)
    return {"message": "Successfully logged out everywhere", "count": count}


@bp.get("/me/sessions/")
@signed_in
@reply(SessionsSchema())
def list_sessions() -> dict[str, Any]:
    """List your live sessions, the last used first.

    `current` marks the session that asks, and `device` is what its program called
    itself.
    """
    live = auth_queries.live(viewer_claims())
    return {"count": len(live), "results": live}


@bp.post("/me/confirm/")
@signed_in
@body(ConfirmSchema())
@refuses(WrongPassword, HashingBusy, RateLimited)
@reply(ConfirmedSchema())
def confirm_session(payload: dict[str, Any]) -> dict[str, Any]:
    """Confirm with your password that it is you, for a change that wants it.

    Lasts ten minutes, in this session. A login or registration counts too.
    """
    until = step_up.confirm_session(viewer_claims(), payload["password"], device())
    return {"confirmed_until": until}


@bp.delete("/me/sessions/<session_id>/")
@signed_in
@refuses(session_service.SessionNotFound)
@reply(MessageSchema(), example={"message": "Session ended"})
def end_session(session_id: str) -> dict[str, Any]:
    """End one of your sessions; all its tokens are refused from now on.

    `session_id` is the `id` of one of `GET me/sessions/`.
    """
    session_service.end(viewer_claims(), session_id, device())
    return {"message": "Session ended"}
