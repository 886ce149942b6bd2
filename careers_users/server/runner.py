"""`run()` serves an application: one port, one or several processes.

It serves until SIGTERM or Ctrl-C, then takes no more connections, answers the requests
that it has, and returns.
"""

import logging
import os
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol

from waitress.adjustments import Adjustments  # type: ignore[import-untyped]

from careers_users.server import file_limits, memory, systemd
from careers_users.server.application import Application
from careers_users.server.connection_counts import ConnectionCounts
from careers_users.server.listener import BACKLOG, ServerError, open_listener
from careers_users.server.supervisor import Supervisor
from careers_users.server.worker import Worker

log = logging.getLogger(__name__)

SELECT_LIMIT = 500  # Windows watches 512 sockets, and some of them are our own.
CHUNK_FRAMING = 8  # Single-byte chunks make a body six times as long on the wire.


class ServerSettings(Protocol):
    """The settings of the server; sizes in bytes, times in seconds."""

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
    def drain_timeout(self) -> int: ...
    @property
    def docs(self) -> bool: ...


def run(
    settings: ServerSettings,
    make_app: Callable[[], Application],
    ended: Callable[[int], object] = lambda _pid: None,
) -> int:
    """Serve what `make_app` returns until told to stop; return the exit code.

    `make_app` is called once in each process, after the fork; `ended` is called in the
    parent with the process id of each of several processes that has ended. Raises
    ServerError if the address can't be had. With one process, what `make_app` raises
    is raised; with several it is logged and the code is 1.
    """
    _check_system(settings)
    memory.prepare()
    adjustments = _adjustments(settings)
    listener = open_listener(settings.host, settings.port)

    def work(
        counts: ConnectionCounts, ready: Callable[[], object], *, is_alone: bool = False
    ) -> None:
        app = make_app()
        worker = Worker(app, adjustments, listener, counts, is_alone=is_alone)
        worker.run_until_stopped(ready, settings.drain_timeout)
        app.close()

    def announce() -> None:
        _announce(settings, listener.socket)
        systemd.notify("READY=1")

    with listener.socket:
        if settings.processes == 1:
            work(ConnectionCounts(1), announce, is_alone=True)
            return 0
        return Supervisor(
            *(listener, work, announce, ended),
            processes=settings.processes,
            drain_timeout=settings.drain_timeout,
        ).run()


def _check_system(settings: ServerSettings) -> None:
    if settings.processes > 1 and not hasattr(os, "fork"):
        raise ServerError(
            "This system can't share a port between processes: run several instances "
            "of one process each, on several ports behind a proxy."
        )


def _adjustments(settings: ServerSettings) -> Any:
    """Return the settings in waitress's form, with some that only we know."""
    limit = file_limits.room_for(settings.connection_limit)
    if not hasattr(select, "poll"):
        limit = min(limit, SELECT_LIMIT)
    adjustments = Adjustments(
        threads=settings.threads,
        backlog=BACKLOG,
        connection_limit=limit,
        max_request_body_size=CHUNK_FRAMING * settings.max_request_body_size,
        max_request_header_size=settings.max_request_header_size,
        channel_timeout=settings.channel_timeout,
        cleanup_interval=min(10, max(1, settings.channel_timeout // 4)),
        ident=None,
        # The application reads them, under any server.
        clear_untrusted_proxy_headers=False,
    )
    adjustments.body_limit = settings.max_request_body_size
    adjustments.queue_timeout = settings.queue_timeout
    # Connections beyond those that wait are for refusals and for health checks. A
    # request that a free thread is about to take counts as waiting.
    adjustments.queue_room = settings.threads + limit // 2
    # One more than can hash, so that a core has work while a login asks the database;
    # and a thread at least is left for requests that hash nothing.
    adjustments.slow = max(1, min(settings.hashes_at_once + 1, settings.threads - 1))
    return adjustments


def _announce(settings: ServerSettings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    processes = f"{settings.processes} process{'es' * (settings.processes > 1)}"
    threads = f"{settings.threads} thread{'s' * (settings.threads > 1)} each"
    page = f"; the API is described on http://{where}/docs/" if settings.docs else ""
    log.info("Listening on http://%s (%s, %s)%s", where, processes, threads, page)
