"""One line in the log for each request that has been answered."""

import logging

from flask import Flask

from careers_users.http import context
from careers_users.http.context import Exchange

log = logging.getLogger("careers_users.requests")


def init_app(app: Flask) -> None:
    """Log every reply of `app`."""
    context.observe(app, ended=_log)


def _log(exchange: Exchange) -> None:
    """Say who asked for what and got what; nothing that the client typed.

    The route stands for the path, since paths hold usernames, and mistyped ones
    anything.
    """
    if log.isEnabledFor(logging.INFO):
        fields = {
            "method": exchange.method,
            "route": exchange.route,
            "status": exchange.status,
            "duration_ms": round(exchange.seconds * 1000, 3),
            "bytes": exchange.size,
            "address": exchange.address,
        }
        log.info("request", extra={"details": fields, "user_id": exchange.viewer_id})
