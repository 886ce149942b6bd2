"""The log of events of accounts and sessions, for those who watch over them."""

import logging
from collections.abc import Callable

from flask import Flask, has_app_context, has_request_context, request

from careers_users.extensions import Slot

log = logging.getLogger("careers_users.security")

_LISTENERS = Slot[list[Callable[[str], object]]]("security_listeners", lambda _app: [])


def record(event: str, user_id: int | None = None, **details: object) -> None:
    """Log a security event, such as `login_failed`; `user_id` is whom it concerns.

    `details` hold no secret: no password, no token, and nothing that a client typed.
    The client's address is added within a request.
    """
    if has_request_context():
        details.setdefault("address", request.remote_addr)
    log.info(event, extra={"details": details, "user_id": user_id})
    if has_app_context():
        for listener in _LISTENERS.get():
            listener(event)


def listen(app: Flask, listener: Callable[[str], object]) -> None:
    """Call `listener` with the name of each security event of `app` from now on."""
    _LISTENERS.get(app).append(listener)
