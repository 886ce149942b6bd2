"""The request being served: its id, its start, and how it is answered.

This wraps the WSGI application rather than using Flask's hooks: it sees each reply as
it leaves, whatever has failed, and costs a tenth.
"""

import itertools
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

from careers_users.extensions import Slot

REQUEST_ID_HEADER = "X-Request-ID"
# The ids of other systems (UUIDs, ULIDs, hex), and nothing that could forge or break a
# line of a log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# W3C Trace Context, section 3.2: version, trace id, parent id and flags, in lower case.
# Version ff, and ids of zeros, are forbidden.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())
# Stands for the route of all paths that are none of ours: what strangers type must
# neither fill a log nor make a time series.
UNMATCHED = "unmatched"


class Exchange:
    """One request with its reply, as far as they have come; times in seconds.

    `method` is `OTHER` for an unknown one; `route` is the rule that the path
    matched, or UNMATCHED; `size` the bytes of the body, None if not known beforehand.
    """

    # On the class, so that a request pays only for what it changes.
    traceparent: str | None = None
    route = UNMATCHED
    endpoint: str | None = None
    seconds = 0.0
    # The reply of a server when the application fails altogether.
    status = 500
    size: int | None = None
    viewer_id: int | None = None

    def __init__(self, environ: WSGIEnvironment) -> None:
        """Begin with what the server says of the request."""
        self.began = time.perf_counter()
        given: Callable[[str], Any] = environ.get
        method = environ["REQUEST_METHOD"]
        self.method = method if method in METHODS else "OTHER"
        self.address: str | None = given("REMOTE_ADDR")
        self.id = checked_id(given("HTTP_X_REQUEST_ID"))
        parent = given("HTTP_TRACEPARENT")
        if parent is not None and _TRACEPARENT.fullmatch(parent):
            self.traceparent = parent


class _Ids:
    """Ids for requests: unique, and no secret, so that they can be cheap."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Begin again, with a prefix that no other process has."""
        self.prefix = secrets.token_hex(12)
        self.numbers = itertools.count(1)


_ids = _Ids()
Observer = Callable[[Exchange], object]
Headers = list[tuple[str, str]]
# Called with the request, the status and the headers of its reply, which it may change.
Replier = Callable[[WSGIEnvironment, int, Headers], object]
_SLOT = Slot[tuple[list[Any], ...]]("observers")
_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def init_app(app: Flask) -> None:
    """Give every request an id, and every reply that id in `X-Request-ID`."""
    observers: tuple[list[Observer], list[Replier], list[Observer]] = ([], [], [])
    _SLOT.set(app, observers)
    app.wsgi_app = _watched(app.wsgi_app, *observers)  # type: ignore[assignment, method-assign]


def observe(
    app: Flask,
    *,
    began: Observer | None = None,
    replying: Replier | None = None,
    ended: Observer | None = None,
) -> None:
    """Call these at the beginning, the reply and the end of each request of `app`."""
    for observers, observer in zip(
        _SLOT.get(app), (began, replying, ended), strict=True
    ):
        if observer is not None:
            observers.append(observer)


def _watched(
    inner: WSGIApplication,
    at_begin: list[Observer],
    at_reply: list[Replier],
    at_end: list[Observer],
) -> WSGIApplication:
    def wsgi_app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        exchange = Exchange(environ)
        outer = _current.get()
        _current.set(exchange)

        def start_with_id(
            status: str, headers: Headers, error: Any = None
        ) -> Callable[[bytes], object]:
            exchange.status = int(status[:3])
            # Werkzeug leaves its request here, until Flask takes it away.
            request = environ.get("werkzeug.request")
            rule = None if request is None else request.url_rule
            if rule is not None:
                exchange.route, exchange.endpoint = rule.rule, rule.endpoint
            sizes = (int(value) for name, value in headers if name == "Content-Length")
            exchange.size = 0 if exchange.method == "HEAD" else next(sizes, None)
            headers.append((REQUEST_ID_HEADER, exchange.id))
            for replier in at_reply:
                replier(environ, exchange.status, headers)
            return start(status, headers, error)

        for observer in at_begin:
            observer(exchange)
        try:
            return inner(environ, start_with_id)
        finally:
            exchange.seconds = time.perf_counter() - exchange.began
            for observer in at_end:
                observer(exchange)
            _current.set(outer)

    return wsgi_app


def checked_id(given: str | None) -> str:
    """Return the id that the client or a proxy gave if it is proper, else a new one.

    Proper are up to 64 letters, digits, dots, dashes and underscores.
    """
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"{_ids.prefix}{next(_ids.numbers):08x}"


def name_viewer(user_id: int | None) -> None:
    """Note who makes the current request, if there is one."""
    exchange = _current.get()
    if exchange is not None:
        exchange.viewer_id = user_id


def tags() -> dict[str, str]:
    """Return what every log line of the current request carries; {} outside of one."""
    exchange = _current.get()
    if exchange is None:
        return {}
    if exchange.traceparent is None:
        return {"request_id": exchange.id}
    return {"request_id": exchange.id, "traceparent": exchange.traceparent}
