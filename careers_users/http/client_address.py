"""The address of the client, where proxies stand before the service.

Middleware of `create_app`, so that it is the same under every WSGI server.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

from careers_users.http import forwarded
from careers_users.http.refusals import refuser
from careers_users.server import status
from careers_users.settings import Settings

log = logging.getLogger(__name__)

EVERY_PEER = "*"
# Set for requests that have come with any forwarding header.
FORWARDED = "careers_users.forwarded"
# Headers that only proxies send, as WSGI names them: those that we read, and others.
_READ = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO")
_HEADERS = (
    *_READ,
    *("HTTP_X_FORWARDED_BY", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT"),
)
_PEERS_REMEMBERED = 4096


def init_app(app: Flask, settings: Settings) -> None:
    """Let the trusted proxies of the settings name the clients of `app`.

    After all other middleware, which sees the address that is found here.
    """
    app.wsgi_app = behind_proxies(app.wsgi_app, settings)  # type: ignore[assignment, method-assign]


def behind_proxies(app: WSGIApplication, settings: Settings) -> WSGIApplication:
    """Let trusted proxies name the client; drop the forwarding headers of others."""
    is_trusted = _trust(settings.trusted_proxy)
    count, believed = settings.trusted_proxy_count, settings.trusted_proxy_headers
    refuse = refuser(settings.cors_origins)

    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        peer = environ["REMOTE_ADDR"] = _peer(environ.get("REMOTE_ADDR") or "")
        sent = [name for name in _HEADERS if name in environ]
        if not sent:
            return app(environ, start)
        environ[FORWARDED] = True
        trusts = is_trusted(peer)
        if not trusts and not {*sent}.isdisjoint(_READ):
            _warn_of_untrusted(peer)
        for name in sent:
            if not trusts or _header(name) not in believed:
                del environ[name]
        try:
            _read(environ, count)
        except ValueError:
            log.warning("The proxy %s sent forwarding headers that make no sense", peer)
            headers, body = refuse(
                400, environ.get("HTTP_ORIGIN"), environ.get("HTTP_X_REQUEST_ID"), peer
            )
            headers["Content-Length"] = str(len(body))
            start("400 Bad Request", list(headers.items()))
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        return app(environ, start)

    return application


def _header(name: str) -> str:
    return name.removeprefix("HTTP_").replace("_", "-").lower()


def _trust(proxies: Collection[str]) -> Callable[[str], bool]:
    """Return a function that returns whether a peer is one of these proxies."""
    if EVERY_PEER in proxies:
        return lambda _peer: True
    networks = [ip_network(proxy) for proxy in proxies]

    @lru_cache(maxsize=_PEERS_REMEMBERED)
    def is_trusted(peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:  # A peer on a Unix socket has none.
            return False
        return any(address in network for network in networks)

    return is_trusted if networks else lambda _peer: False


@lru_cache(maxsize=_PEERS_REMEMBERED)
def _peer(address: str) -> str:
    """Return the peer's address in the form in which clients' addresses are."""
    try:
        return forwarded.node(address) or address
    except ValueError:
        return address


def _read(environ: WSGIEnvironment, count: int) -> None:
    """Set the client's address and scheme from the headers that are left.

    The last `count` entries are of the proxies; before these, the client may have
    written anything. Raises ValueError for headers that can't be read.
    """
    if header := environ.get("HTTP_FORWARDED"):
        hops = forwarded.elements(header)[-count:]
        nodes = [hop["for"] for hop in hops if "for" in hop]
        schemes = [hop["proto"] for hop in hops if "proto" in hop]
    else:
        nodes = forwarded.listed(environ.get("HTTP_X_FORWARDED_FOR", ""))[-count:]
        schemes = forwarded.listed(environ.get("HTTP_X_FORWARDED_PROTO", ""))[-count:]
    if known := [address for address in map(forwarded.node, nodes) if address]:
        environ["REMOTE_ADDR"] = known[0]
    if schemes:
        scheme = schemes[0].lower()
        if scheme not in ("http", "https"):
            raise ValueError(scheme)
        environ["wsgi.url_scheme"] = scheme


def _warn_of_untrusted(peer: str) -> None:
    """Warn, once, of forwarding headers from a peer that the settings do not name."""
    sentence = (
        "Forwarding headers (X-Forwarded-For and such) arrive from a peer that is not "
        "trusted and are ignored; if it is your proxy, name it in "
        "CAREERS_USERS_TRUSTED_PROXY"
    )
    if status.warn("proxy", f"{sentence}."):
        log.warning(
            "%s: set CAREERS_USERS_TRUSTED_PROXY=%s. Until then all its clients have "
            "one address, and share the limits on attempts.",
            *(sentence, peer),
        )
