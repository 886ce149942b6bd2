"""One line in the log for each request that has been answered."""

import logging

from flask import Flask, Response, request

from careers_users import request_context
from careers_users.auth.identity import ANONYMOUS, viewer_id

log = logging.getLogger("careers_users.requests")


def init_app(app: Flask) -> None:
    """Log every reply of `app`.

    Before other hooks are added: Flask runs them backwards, and this one is to see what
    the others have made of the reply.
    """
    app.after_request(_log)


def _log(response: Response) -> Response:
    """Say who asked for what and got what; nothing that the client typed.

    The route stands for the path, since paths hold usernames, and mistyped ones
    anything.
    """
    if log.isEnabledFor(logging.INFO):
        viewer = viewer_id()
        details = {
            "method": request_context.method(),
            "route": request_context.route(),
            "status": response.status_code,
            "duration_ms": round(request_context.elapsed() * 1000, 3),
            "bytes": _size(response),
            "address": request.remote_addr,
        }
        user_id = None if viewer == ANONYMOUS else viewer
        log.info("request", extra={"details": details, "user_id": user_id})
    return response


def _size(response: Response) -> int | None:
    """Return the bytes of the body that is sent; None if that will only turn out."""
    return 0 if request.method == "HEAD" else response.calculate_content_length()
