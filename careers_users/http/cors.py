"""Pages of other origins: which may call this service from a browser (Fetch, CORS).

None may, unless the setting lists them. No credentials mode is needed: tokens travel in
the Authorization header, which a page sets itself, and there are no cookies.
"""

import logging
from collections.abc import Collection
from wsgiref.types import WSGIEnvironment

from flask import Flask

from careers_users.http import context
from careers_users.http.context import Headers
from careers_users.http.occasional import Occasional

log = logging.getLogger(__name__)
# Longer than any origin of a real page; the rest of it is not logged.
_ORIGIN_LOGGED_MAX = 200

ALLOWED_HEADERS = "Authorization, Content-Type, X-Request-ID"
# Beside those that every page may read (Fetch, "CORS-safelisted response-header name").
EXPOSED_HEADERS = "Allow, Retry-After, WWW-Authenticate, X-Request-ID"
# How long a browser need not ask again; Chromium's own limit.
MAX_AGE_SECONDS = 7200


def init_app(app: Flask, origins: Collection[str]) -> None:
    """Let the pages of these origins, and of no other, call `app`."""
    refused = Occasional()

    def answer(environ: WSGIEnvironment, _status: int, headers: Headers) -> None:
        headers.append(("Vary", "Origin"))
        allowance = headers_for(environ.get("HTTP_ORIGIN"), origins)
        if not allowance and _is_foreign(environ) and refused.is_due():
            log.warning(
                "A page of %r may not call this service: its origin is not in "
                "CAREERS_USERS_CORS_ORIGINS",
                environ["HTTP_ORIGIN"][:_ORIGIN_LOGGED_MAX],
            )
        if allowance and environ["REQUEST_METHOD"] == "OPTIONS":
            allowance |= _preflight(environ, dict(headers).get("Allow"))
        headers += allowance.items()

    context.observe(app, replying=answer)


def _is_foreign(environ: WSGIEnvironment) -> bool:
    """Return whether a page of another host asks; browsers name the own host too."""
    origin: str | None = environ.get("HTTP_ORIGIN")
    own = environ.get("HTTP_HOST")
    return origin is not None and origin.partition("://")[2] != own


def headers_for(origin: str | None, origins: Collection[str]) -> dict[str, str]:
    """Return the headers that let the pages of an allowed origin read a reply.

    `Vary: Origin` goes with every reply, also to those who are not allowed: a cache
    must not hand one origin the reply made for another.
    """
    if origin is None or origin not in origins:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
    }


def _preflight(environ: WSGIEnvironment, methods: str | None) -> dict[str, str]:
    """Return what a browser asks before the call itself: this path's methods."""
    if "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in environ or not methods:
        return {}
    return {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
    }
