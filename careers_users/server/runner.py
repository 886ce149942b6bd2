"""The runner around waitress: one port, one or several processes, nothing lost.

`run(settings, make_app)` serves the application until SIGTERM or Ctrl-C, then takes no
more connections, answers what it already has, and returns.
"""

import errno
import logging
import os
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol

from waitress.adjustments import Adjustments  # type: ignore[import-untyped]

from careers_users.server import file_limits, handover, memory
from careers_users.server.application import Application
from careers_users.server.connection_counts import Share, Shares
from careers_users.server.handover import Handover
from careers_users.server.supervisor import GO_SIGNALS, STOP_SIGNALS, Supervisor, follow
from careers_users.server.worker import Worker

log = logging.getLogger(__name__)

BACKLOG = 2048  # Connections that may wait in the kernel, which lowers it as it likes.
SELECT_LIMIT = 500  # Windows watches 512 sockets, and some of them are our own.
FRAMING = 8  # Single-byte chunks make a body six times as long on the wire.


class ServerError(Exception):
    """The server can't start; the message is a sentence that says what to do."""


class ServerSettings(Protocol):
    """What the runner needs to know; sizes in bytes, times in seconds."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def processes(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @property
    def hashes_at_once(self) -> int: ...
    @property
    def queue_timeout(self) -> int: ...
    @property
    def connection_limit(self) -> int: ...
    @property
    def max_request_body_size(self) -> int: ...
    @property
    def max_request_header_size(self) -> int: ...
    @property
    def channel_timeout(self) -> int: ...
    @property
    def trusted_proxy(self) -> str | None: ...
    @property
    def trusted_proxy_count(self) -> int: ...
    @property
    def trusted_proxy_headers(self) -> frozenset[str]: ...
    @property
    def drain_timeout(self) -> int: ...


def run(
    settings: ServerSettings,
    make_app: Callable[[], Application],
    ended: Callable[[int], object] = lambda _pid: None,
) -> int:
    """Serve what `make_app` returns until told to stop; return the exit code.

    `make_app` is called once in each process, after the fork, and `ended` here, with
    the number of each of several processes that is no more; at SIGHUP these give place
    to the same command, started again. Raises ServerError if the address can't be had
    or the settings contradict each other; with one process, what `make_app` raises
    comes through, with several it is logged and the code is 1.
    """
    _check_system(settings)
    memory.prepare()
    adjustments = _adjustments(settings)
    given = handover.take()

    def serve(share: Share, ready: Callable[[], object], signals: list[int]) -> None:
        worker = Worker(make_app(), adjustments, listener, share)
        worker.run_until(signals, ready, settings.drain_timeout)

    def announce() -> None:
        _announce(settings, listener)
        if given:
            os.write(given.report, b".")

    with _open_door(settings, given) as listener:
        if given:
            follow(given)
        if settings.processes == 1:
            serve(Share(Shares(1), 0), announce, GO_SIGNALS if given else STOP_SIGNALS)
            return 0
        return Supervisor(
            *(listener, serve, announce, ended),
            processes=settings.processes,
            drain_timeout=settings.drain_timeout,
            address=(settings.host, settings.port),
            given=given,
        ).run()


def _check_system(settings: ServerSettings) -> None:
    if settings.processes > 1 and not hasattr(os, "fork"):
        raise ServerError(
            "This system can't share a port between processes: run several instances "
            "of one process each, on several ports behind a proxy."
        )


def _adjustments(settings: ServerSettings) -> Any:
    proxy = ("trusted_proxy", "trusted_proxy_count", "trusted_proxy_headers")
    limit = file_limits.room_for(settings.connection_limit)
    try:
        adjustments = Adjustments(
            threads=settings.threads,
            backlog=BACKLOG,
            connection_limit=limit
            if hasattr(select, "poll")
            else min(limit, SELECT_LIMIT),
            max_request_body_size=FRAMING * settings.max_request_body_size,
            max_request_header_size=settings.max_request_header_size,
            channel_timeout=settings.channel_timeout,
            cleanup_interval=min(10, max(1, settings.channel_timeout // 4)),
            ident=None,
            **{n: getattr(settings, n) for n in proxy if settings.trusted_proxy},
        )
    except ValueError as error:
        raise ServerError(f"Correct the settings of the proxy: {error}.") from error
    adjustments.body_limit = settings.max_request_body_size
    adjustments.queue_timeout = settings.queue_timeout
    # Connections beyond those that wait are for whoever is refused, or asks for health.
    adjustments.queue_room = adjustments.connection_limit // 2
    # One more than can hash, so that a core has work while somebody asks the database;
    # and a thread at least is left for those who need no password hashed.
    adjustments.slow = max(1, min(settings.hashes_at_once + 1, settings.threads - 1))
    return adjustments


def _open_door(settings: ServerSettings, given: Handover | None) -> socket.socket:
    if given is None:
        return _bind(settings.host, settings.port)
    if (settings.host, settings.port) != (given.host, given.port):
        log.warning(
            "HOST and PORT are still %s and %d: to change them, stop and start.",
            *(given.host, given.port),
        )
    return socket.socket(fileno=given.listener)


def _bind(host: str, port: int) -> socket.socket:
    try:
        found = [entry[0] for entry in socket.getaddrinfo(host, port)]
        # "localhost" may be both families; more clients reach it by the older one.
        family = socket.AF_INET if socket.AF_INET in found else found[0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both
        )
    except (OSError, UnicodeError) as error:
        raise ServerError(_why_not(host, port, error)) from error


def _why_not(host: str, port: int, error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"There is no host {host!r}: set HOST to an address, such as 0.0.0.0."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is already in use: free it, or set another PORT."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: set HOST to one, or to 0.0.0.0."
    if isinstance(error, PermissionError):
        return f"This user may not listen on port {port}: set PORT to 1024 or above."
    return f"Can't listen on {host}, port {port} ({error}): check HOST and PORT."


def _announce(settings: ServerSettings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    processes = f"{settings.processes} process{'es' * (settings.processes > 1)}"
    threads = f"{settings.threads} thread{'s' * (settings.threads > 1)} each"
    log.info("Listening on http://%s (%s, %s)", where, processes, threads)
