"""The runner around waitress: one port, one or several processes, nothing lost.

`run(settings, make_app)` serves the application until SIGTERM or Ctrl-C, then takes no
more connections, answers what it already has, and returns. What waitress refuses by
itself gets the same JSON as every other error.
"""

import errno
import json
import logging
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from ipaddress import ip_address
from types import FrameType
from typing import Any, NamedTuple, NoReturn, Protocol
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from waitress import proxy_headers, wasyncore  # type: ignore[import-untyped]
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]
from waitress.task import ErrorTask, WSGITask  # type: ignore[import-untyped]
from waitress.utilities import (  # type: ignore[import-untyped]
    BadRequest,
    RequestEntityTooLarge,
)

from careers_users.draining import draining

log = logging.getLogger(__name__)

BACKLOG = 2048  # Connections that may wait in the kernel, which lowers it as it likes.
SELECT_LIMIT = 500  # Windows watches 512 sockets, and some of them are our own.
SWALLOW = 2.0  # Seconds for a refused sender to notice, before we hang up.
FRAMING = 8  # Single-byte chunks make a body six times as long on the wire.
SETTLE = 0.5  # Seconds in which requests that are on the wire still arrive.
STALLED = 2.0  # A half-sent request that is silent for longer doesn't delay a stop.
QUICK_DEATH = 2.0  # A worker process that lives for less has probably never worked,
QUICK_DEATHS = 5  # and after so many of them in a row one more won't either.
MERCY = 5.0  # Seconds beyond the drain until a worker process is killed.

STOP_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGBREAK")
    if hasattr(signal, name)
]
REFUSALS = {
    400: ("malformed_request", "The request can't be understood"),
    413: ("payload_too_large", "The request body is too large"),
    431: ("headers_too_large", "The request headers are too large"),
    500: ("internal_error", "Something went wrong on our side"),
    501: ("not_implemented", "This transfer encoding is not supported"),
}


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


def run(settings: ServerSettings, make_app: Callable[[], WSGIApplication]) -> int:
    """Serve what `make_app` returns until told to stop; return the exit code.

    `make_app` is called once in each process, after the fork. Raises ServerError if the
    address can't be had or the settings contradict each other; with one process, what
    `make_app` raises comes through, with several it is logged and the code is 1.
    """
    if settings.processes > 1 and not hasattr(os, "fork"):
        raise ServerError(
            "This system can't share a port between processes: run several instances "
            "of one process each, on several ports behind a proxy."
        )
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    adjustments = _adjustments(settings)

    def serve(ready: Callable[[], object], signals: list[int]) -> None:
        server = _Server(make_app(), adjustments, listener)
        server.run_until(signals, ready, settings.drain_timeout)

    with _bind(settings.host, settings.port) as listener:
        if settings.processes > 1:
            return _Supervisor(settings, listener, serve).run()
        serve(lambda: _announce(settings, listener), STOP_SIGNALS)
    return 0


def _adjustments(settings: ServerSettings) -> Any:
    proxy = ("trusted_proxy", "trusted_proxy_count", "trusted_proxy_headers")
    limit = settings.connection_limit
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
    return adjustments


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


def _ignore_newcomers(listener: socket.socket) -> None:
    """Leave handshakes unanswered, where the system can: the next try finds us gone.

    Otherwise closing cuts off whoever came in since the last look at who waits.
    """
    if sys.platform == "linux":
        # SO_ATTACH_FILTER with one instruction, "keep 0 bytes" (BPF_RET); socket(7).
        keep_nothing = array("B", struct.pack("HBBI", 6, 0, 0, 0))
        program = struct.pack("HP", 1, keep_nothing.buffer_info()[0])
        with suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, 26, program)


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


def _refusal(status: int) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return status line, headers and body of a refusal that the application missed."""
    code, sentence = REFUSALS[status]
    body = json.dumps({"error": sentence, "code": code, "details": f"{sentence}."})
    headers = {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'",
    }
    return f"{status} {HTTPStatus(status).phrase}", list(headers.items()), body.encode()


def _behind_proxy(app: WSGIApplication, adjustments: Any) -> WSGIApplication:
    """Let the trusted proxy say who the client is; drop everybody else's claims."""
    trusted, names = adjustments.trusted_proxy, adjustments.trusted_proxy_headers

    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        peer, untrusted = environ["REMOTE_ADDR"], proxy_headers.PROXY_HEADERS
        try:
            if trusted in ("*", peer):
                untrusted = proxy_headers.parse_proxy_headers(
                    environ, adjustments.trusted_proxy_count, names
                )
                ip_address(environ["REMOTE_ADDR"])
        except (proxy_headers.MalformedProxyHeader, IndexError, ValueError):
            log.warning("The proxy %s sent forwarding headers that make no sense", peer)
            status, headers, body = _refusal(400)
            start(status, headers)
            return [body]
        proxy_headers.clear_untrusted_headers(environ, untrusted)
        return app(environ, start)

    return application


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Measures bodies as decoded, and answers where waitress hangs up or hangs."""

    completed = expect_continue = False

    def __init__(self, adjustments: Any) -> None:
        super().__init__(adjustments)
        self.started = time.time()

    def received(self, data: bytes) -> int:
        """Take `data`; return how much of it belongs to this request."""
        consumed = len(data)
        try:
            consumed = super().received(data)
        except ValueError:  # An address or a length that can't be read.
            self.error = BadRequest("")
        size = max(self.content_length, len(self.body_rcv or b""))
        if size > self.adj.body_limit:
            self.error = self.error or RequestEntityTooLarge("")
        elif "TRANSFER_ENCODING" in self.headers:  # HTTP/1.0 can't have one.
            self.error = self.error or BadRequest("")
        self.completed = self.completed or self.error is not None
        # A "100 Continue" would make waitress wait for more of a complete request.
        self.expect_continue = self.expect_continue and not self.completed
        return consumed


class _Task(WSGITask):  # type: ignore[misc]
    """Tells the client, while we drain, not to send another request here."""

    def build_response_header(self) -> bytes:
        if draining.is_set():
            with self.channel.requests_lock:
                # Closing would drop what the client has pipelined behind this one.
                last = len(self.channel.requests) <= 1 and not self.channel.request
            if last:
                self.request.headers["CONNECTION"] = "close"
        header: bytes = super().build_response_header()
        return header


class _Refusal(ErrorTask):  # type: ignore[misc]
    """Answers what waitress refuses: our JSON, and nothing of what the client sent."""

    def execute(self) -> None:
        self.status, self.response_headers, body = _refusal(self.request.error.code)
        self.content_length = len(body)
        self.channel.refused = True
        self.set_close_on_finish()
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection. After a refusal it swallows what its client still sends.

    Closing at once would reset the connection under a client that is busy sending, and
    that client would never read why.
    """

    parser_class, task_class, error_task_class = _Parser, _Task, _Refusal
    close_when_flushed = will_close = refused = False
    swallow_until = 0.0

    def unfinished(self) -> int:
        """How many requests of this connection are still to be answered."""
        recent = time.time() - self.last_activity < STALLED
        half_done = self.total_outbufs_len or (self.request and recent)
        return len(self.requests) or int(bool(half_done or self.swallow_until))

    def readable(self) -> bool:
        return bool(self.swallow_until or super().readable())

    def writable(self) -> bool:
        return bool(super().writable() or 0 < self.swallow_until < time.time())

    def received(self, data: bytes) -> bool:
        return bool(self.swallow_until or super().received(data))

    def handle_write(self) -> None:
        self.will_close = self.will_close or self.swallow_until > 0
        if self.will_close or not (self.refused and self.close_when_flushed):
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.connected and not self.total_outbufs_len:
            self.close_when_flushed = False
            self.swallow_until = time.time() + SWALLOW
            with suppress(OSError):  # The client has left already; reading will tell.
                self.socket.shutdown(socket.SHUT_WR)


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """The listener and the loop of one process."""

    channel_class = _Channel
    alone = stopping = False

    def __init__(self, app: WSGIApplication, adj: Any, listener: socket.socket) -> None:
        where = (listener.family, listener.type, listener.proto, None)
        super().__init__(
            app, _sock=listener, adj=adj, sockinfo=where, bind_socket=False
        )
        # Waitress has wrapped it in its own reading of forwarding headers.
        self.application = _behind_proxy(app, adj)

    def fix_addr(self, addr: tuple[str, int]) -> tuple[str, int]:
        return addr[0].removeprefix("::ffff:"), addr[1]

    def maintenance(self, now: float) -> None:
        """Close what is idle, and also what takes for ever to send one request."""
        super().maintenance(now)
        for channel in list(self.active_channels.values()):
            late = now - self.adj.channel_timeout
            if channel.request and not channel.requests:
                channel.will_close |= channel.request.started < late

    def run_until(
        self, signals: list[int], ready: Callable[[], object], drain_timeout: int
    ) -> None:
        """Serve until one of `signals` comes; then answer what is asked, in time.

        A process that does not listen to SIGINT has a supervisor. Any other is alone:
        a second signal ends it at once.
        """
        self.alone = signal.SIGINT in signals

        def stop(number: int, _frame: FrameType | None) -> None:
            if self.stopping and self.alone:
                os._exit(128 + number)
            if not self.stopping:
                self.stopping = True
                self.pull_trigger()

        for number in signals:
            signal.signal(number, stop)
        ready()
        while not self.stopping:
            self._pump(1)
        self._drain(drain_timeout)

    def _pump(self, timeout: float) -> None:
        wasyncore.loop(timeout, use_poll=True, map=self._map, count=1)

    def _unfinished(self) -> int:
        # A copy: a thread may find its client gone, and drop a channel meanwhile.
        return sum(
            channel.unfinished() for channel in list(self.active_channels.values())
        )

    def _close_listener(self) -> None:
        if self.alone:  # Other processes may listen at the same door.
            _ignore_newcomers(self.socket)
        known = -1
        while known < len(self.active_channels):
            known = len(self.active_channels)
            self.handle_accept()
        wasyncore.dispatcher.close(self)  # Not our own: that closes the trigger too.

    def _drain(self, limit: int) -> None:
        draining.set()
        begun = time.monotonic()
        self._close_listener()
        while (elapsed := time.monotonic() - begun) < limit:
            self._pump(0.05)
            if elapsed > SETTLE and not self._unfinished():
                break
        if lost := self._unfinished():
            log.warning("Cut off %d unanswered request(s) after %d s", lost, limit)
        left = 0 if lost else max(0, limit - elapsed)
        self.task_dispatcher.shutdown(timeout=left)
        wasyncore.close_all(self._map)


class _Child(NamedTuple):
    pid: int
    started: float


class _Supervisor:
    """Keeps the worker processes alive, and stops them all together.

    Each worker holds the write end of its own pipe: a byte says that it is ready, the
    end of file that it is gone. All hold the read end of one pipe more, whose end of
    file says that the supervisor is gone, however that came about.
    """

    def __init__(
        self,
        settings: ServerSettings,
        listener: socket.socket,
        serve: Callable[[Callable[[], object], list[int]], None],
    ) -> None:
        self.settings, self.listener, self.serve = settings, listener, serve
        self.children: dict[int, _Child] = {}
        self.alive, self.wake = os.pipe(), os.pipe()
        self.ready = self.quick_deaths = 0
        self.next_start = 0.0
        self.stopping = self.failed = False

    def run(self) -> int:
        """Return 0 after a stop that was asked for, 1 if the workers don't work."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)
        # A launcher may have it ignored; then there would be no exit codes to collect.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            while not (self.stopping or self.failed):
                missing = self.settings.processes - len(self.children)
                pause = self.next_start - time.monotonic()
                if missing and pause <= 0:
                    self._start()
                else:
                    self._watch(pause if missing else None)
        finally:
            self._end()
        return int(self.failed)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            self._send(signal.SIGKILL)
            os._exit(128 + number)
        self.stopping = True
        os.write(self.wake[1], b".")

    def _send(self, number: int) -> None:
        for child in self.children.values():
            os.kill(child.pid, number)

    def _start(self) -> None:
        status, report = os.pipe()
        # Until it has handlers of its own, a child must not run those of its parent.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._work(status, report)
        self.children[status] = _Child(pid, time.monotonic())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        os.close(report)

    def _work(self, status: int, report: int) -> NoReturn:
        code = 1
        try:
            # Ctrl-C reaches the whole process group; the parent decides what it means.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            for fd in (*self.wake, self.alive[1], status, *self.children):
                os.close(fd)
            threading.Thread(target=self._outlive, daemon=True).start()
            self.serve(lambda: os.write(report, b"."), [signal.SIGTERM])
            code = 0
        except BaseException:
            log.exception("A worker process can't go on")
        finally:
            logging.shutdown()
            os._exit(code)

    def _outlive(self) -> None:
        os.read(self.alive[0], 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _watch(self, timeout: float | None) -> None:
        for fd in select.select([self.wake[0], *self.children], [], [], timeout)[0]:
            if not os.read(fd, 1):
                self._bury(fd)
            elif fd != self.wake[0]:
                self.ready += 1
                if self.ready == self.settings.processes:
                    _announce(self.settings, self.listener)

    def _bury(self, fd: int) -> None:
        os.close(fd)
        pid, started = self.children.pop(fd)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if self.stopping:
            return
        now = time.monotonic()
        quick = now - started < QUICK_DEATH
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        self.next_start = now + 0.05 * 2**self.quick_deaths
        log.error("Worker process %d has ended by itself (%d)", pid, code)
        if self.ready < self.settings.processes or self.quick_deaths == QUICK_DEATHS:
            log.error("The workers don't stay alive: read above why, then start again.")
            self.failed = True

    def _end(self) -> None:
        self.stopping = True
        _ignore_newcomers(self.listener)
        self.listener.close()
        self._send(signal.SIGTERM)
        deadline = time.monotonic() + self.settings.drain_timeout + MERCY
        while self.children and (left := deadline - time.monotonic()) > 0:
            self._watch(left)
        if self.children:
            log.warning("%d worker processes are stuck: killed", len(self.children))
            self._send(signal.SIGKILL)
        for fd in list(self.children):
            self._bury(fd)
