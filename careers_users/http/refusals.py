"""Refusals that the application never sees, in the form of every other error.

The server answers them by itself: a request that can't be read, that is too large, or
for which there is no thread.
"""

import json
import logging
from collections.abc import Collection
from functools import cache
from http import HTTPStatus

from careers_users.http import context, cors
from careers_users.http.errors import HTTP_ERRORS, RETRY_AFTER_SECONDS
from careers_users.server import Refuse

request_log = logging.getLogger("careers_users.requests")


def refuser(cors_origins: Collection[str]) -> Refuse:
    """Return a function that makes the headers and the body of a refusal.

    It takes the status and what the request said of itself, if it could be read: its
    `Origin`, its `X-Request-ID`. With the client's address the refusal is logged as
    other requests are; without, it is not.
    """

    def refuse(
        status: int, origin: str | None, request_id: str | None, address: str | None
    ) -> tuple[dict[str, str], bytes]:
        request_id = context.checked_id(request_id)
        body = _body(status)
        if address is not None:
            details = {
                "method": None,
                "route": None,
                "status": status,
                "bytes": len(body),
                "address": address,
                "request_id": request_id,
            }
            extra = {"details": details, "user_id": None}
            request_log.info("refused", extra=extra)
        headers = {
            "Content-Type": "application/json",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'",
            "Vary": "Authorization, Origin",
            context.REQUEST_ID_HEADER: request_id,
            **cors.headers_for(origin, cors_origins),
        }
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return headers, body

    return refuse


@cache
def _body(status: int) -> bytes:
    code, sentence = HTTP_ERRORS[status]
    said = {"error": sentence, "code": code, "details": sentence}
    return json.dumps(said).encode()
