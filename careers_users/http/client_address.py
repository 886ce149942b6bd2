"""The address of the client, where a proxy stands before the service."""

import logging
from collections.abc import Iterable
from ipaddress import ip_address
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from waitress import proxy_headers  # type: ignore[import-untyped]

from careers_users.http.refusals import refuser
from careers_users.server import status
from careers_users.settings import Settings

log = logging.getLogger(__name__)

# Headers that only proxies send, as WSGI names them.
_FORWARDED = {"HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"}


def behind_proxy(app: WSGIApplication, settings: Settings) -> WSGIApplication:
    """Let the trusted proxy say who the client is; drop everybody else's claims."""
    trusted, names = settings.trusted_proxy, settings.trusted_proxy_headers
    refuse = refuser(settings.cors_origins)

    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        peer, untrusted = environ["REMOTE_ADDR"], proxy_headers.PROXY_HEADERS
        if any(f"HTTP_{name}" in environ for name in proxy_headers.PROXY_HEADERS):
            environ["careers_users.forwarded"] = True
        try:
            if trusted in ("*", peer):
                untrusted = proxy_headers.parse_proxy_headers(
                    environ, settings.trusted_proxy_count, names
                )
                ip_address(environ["REMOTE_ADDR"])
        except (proxy_headers.MalformedProxyHeader, IndexError, ValueError):
            log.warning("The proxy %s sent forwarding headers that make no sense", peer)
            headers, body = refuse(
                400, environ.get("HTTP_ORIGIN"), environ.get("HTTP_X_REQUEST_ID"), peer
            )
            headers["Content-Length"] = str(len(body))
            start("400 Bad Request", list(headers.items()))
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        if trusted not in ("*", peer) and _FORWARDED & environ.keys():
            _note_untrusted(peer)
        proxy_headers.clear_untrusted_headers(environ, untrusted)
        return app(environ, start)

    return application


def _note_untrusted(peer: str) -> None:
    """Warn, once, that somebody forwards requests whom the settings do not name."""
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
