"""What is known of the request being served: its id, its start, its route."""

import re
import secrets
import time

from flask import Flask, Response, g, has_request_context, request

REQUEST_ID_HEADER = "X-Request-ID"
# What other systems use for ids (UUIDs, ULIDs, hex), and nothing that could forge or
# break a line of a log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# W3C Trace Context, section 3.2: version, trace id, parent id and flags, in lower case.
# Versions to come may append parts; version ff, and ids of zeros, are forbidden.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())
# Stands for the route of all paths that are none of ours: what strangers type must
# neither fill a log nor make a time series.
UNMATCHED = "unmatched"


def init_app(app: Flask) -> None:
    """Give every request an id, and every reply that id in `X-Request-ID`.

    Before anything else that hooks into requests, so that the id is there for it.
    """
    app.before_request(_begin)
    app.after_request(_return_id)


def new_id() -> str:
    """Return an id that no other request has."""
    return secrets.token_hex(16)


def checked_id(given: str | None) -> str:
    """Return the id that the client or a proxy gave if it is proper, else a new one.

    Proper are up to 64 letters, digits, dots, dashes and underscores.
    """
    return given if given and _REQUEST_ID.fullmatch(given) else new_id()


def _begin() -> None:
    g.started = time.perf_counter()
    headers = request.headers
    g.request_id = checked_id(headers.get(REQUEST_ID_HEADER))
    parent = headers.get("traceparent")
    if parent and _TRACEPARENT.fullmatch(parent):
        g.traceparent = parent


def _return_id(response: Response) -> Response:
    if request_id := g.get("request_id"):
        response.headers[REQUEST_ID_HEADER] = request_id
    return response


def elapsed() -> float:
    """Return the seconds since the current request began."""
    now = time.perf_counter()
    return now - float(g.get("started", now))


def route() -> str:
    """Return the rule that the current request's path matched, or UNMATCHED."""
    rule = request.url_rule
    return UNMATCHED if rule is None else rule.rule


def method() -> str:
    """Return the current request's method; `OTHER` for one that nobody has."""
    return request.method if request.method in METHODS else "OTHER"


def tags() -> dict[str, str]:
    """Return what every log line of the current request carries; {} outside of one."""
    if not has_request_context():
        return {}
    found = {name: g.get(name) for name in ("request_id", "traceparent")}
    return {name: value for name, value in found.items() if value}
