"""Connections as waitress has them, mended: our refusals, our limits.

What waitress refuses by itself gets the same JSON as every other error.
"""

import logging
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.task import ErrorTask, WSGITask  # type: ignore[import-untyped]
from waitress.utilities import Error, build_http_date  # type: ignore[import-untyped]

from careers_users.server import status
from careers_users.server.dispatcher import Lane
from careers_users.server.parser import Parser, epoch_now
from careers_users.server.status import draining

log = logging.getLogger(__name__)

SWALLOW = 2.0  # Seconds for a refused sender to notice, before we hang up.
STALLED = 2.0  # A half-sent request that is silent for longer doesn't delay a stop.


class _Task(WSGITask):  # type: ignore[misc]
    """Sends header and body together, and says while we drain that it was the last."""

    def build_response_header(self) -> bytes:
        if draining.is_set():
            with self.channel.requests_lock:
                # Closing would drop what the client has pipelined behind this one.
                last = len(self.channel.requests) <= 1 and not self.channel.request
            if last:
                self.request.headers["CONNECTION"] = "close"
        self.channel.header = super().build_response_header()
        return b""  # The channel has it.

    def finish(self) -> None:
        super().finish()
        self.channel.flush_header()


class _Overloaded(Error):  # type: ignore[misc]
    code, reason = 503, "Service Unavailable"


class _Refusal(ErrorTask):  # type: ignore[misc]
    """Answers what waitress refuses: our JSON, and nothing of what the client sent."""

    def execute(self) -> None:
        headers = self.request.headers
        status = self.request.error.code
        names, body = self.channel.server.served.refuse(
            *(status, headers.get("ORIGIN"), headers.get("X_REQUEST_ID")),
            self.channel.addr[0],
        )
        self.status = f"{status} {HTTPStatus(status).phrase}"
        self.response_headers = list(names.items())
        self.content_length = len(body)
        self.channel.refused = True
        self.set_close_on_finish()
        self.write(b"" if self.request.command == "HEAD" else body)


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection. After a refusal it swallows what its client still sends.

    Closing at once would reset the connection under a client that is busy sending, and
    that client would never read why.
    """

    parser_class, task_class, error_task_class = Parser, _Task, _Refusal
    close_when_flushed = will_close = refused = turned_away = False
    swallow_until = queued = 0.0
    header = b""
    lane = Lane.QUICK
    requests: list[Any]

    def add_channel(self, map: Any = None) -> None:  # As waitress calls it.
        """Be watched from now on."""
        super().add_channel(map)
        self.server.changed.append(self)

    def write_soon(self, data: Any) -> int:
        """Send what is to be sent; a header waits for the first piece of its body.

        It saves a packet, and a process that is killed does not leave half a reply with
        a proxy, which could not ask another instance then.
        """
        if data and self.header and isinstance(data, bytes):
            data, self.header = self.header + data, b""
        elif data:  # A file, which is sent from where it is.
            self.flush_header()
        return int(super().write_soon(data))

    def flush_header(self) -> None:
        """Send a header that has no body to wait for."""
        header, self.header = self.header, b""
        super().write_soon(header)

    def _flush_some(self, do_close: bool = True) -> bool:
        # The loop and a thread that says "100 Continue" could send the same twice.
        with self.outbuf_lock:
            return bool(super()._flush_some(do_close=do_close))

    def unfinished(self) -> int:
        """How many requests of this connection are still to be answered."""
        recent = epoch_now() - self.last_activity < STALLED
        half_done = self.total_outbufs_len or (self.request and recent)
        return len(self.requests) or int(bool(half_done or self.swallow_until))

    def readable(self) -> bool:
        return bool(self.swallow_until or super().readable())

    def writable(self) -> bool:
        return bool(super().writable() or 0 < self.swallow_until < epoch_now())

    def received(self, data: bytes) -> bool:
        has_come = bool(self.swallow_until or super().received(data))
        while self.turned_away:
            self._turn_away()
        return has_come

    def _turn_away(self) -> None:
        """Answer 503 to the first request, here and now, which is the point of it.

        A tenth of what the application would need: no thread, no line in the log for
        each, and the connection stays open, since making another one costs more.
        """
        self.turned_away = False
        status.count_refusal()
        request = self.requests[0]
        get: Any = request.headers.get
        headers, body = self.server.served.refuse(
            503, get("ORIGIN"), get("X_REQUEST_ID"), None
        )
        # Half a request that comes last would have to be told to continue, or not.
        is_cut = self.request and len(self.requests) == 1
        # Where a request ends that could not be read, nobody knows.
        is_cut = is_cut or request.error
        is_last = request.version != "1.1" or request.connection_close or is_cut
        headers |= {"Connection": "close"} if is_last else {}
        headers |= {
            "Content-Length": str(len(body)),
            "Date": build_http_date(epoch_now()),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 503 Service Unavailable\r\n{lines}\r\n".encode("latin-1")
        super().write_soon(head if request.command == "HEAD" else head + body)
        with self.requests_lock:
            waiting = [self.requests.pop(0)]
            if is_last:
                self.refused = True  # Swallow what still comes, as after others.
                self.close_when_flushed = True
                waiting += self.requests
                self.requests = []
            for each in waiting:
                each.close()
            if self.requests:
                self.server.add_task(self)

    def service(self) -> None:
        """Answer the first request; with 503 if it has waited for far too long."""
        waited = time.monotonic() - self.queued
        if waited > 2 * self.adj.queue_timeout and not (
            draining.is_set() or self.lane is Lane.VITAL
        ):
            status.count_refusal()
            self.requests[0].error = self.requests[0].error or _Overloaded("")
        super().service()

    def handle_close(self) -> None:
        """Close it; a thread leaves that to the loop, which may be looking at it."""
        if self.server.is_loop():
            super().handle_close()
        else:
            self.will_close = True
            self.server.pull_trigger()

    def handle_write(self) -> None:
        self.will_close = self.will_close or self.swallow_until > 0
        if self.will_close or not (self.refused and self.close_when_flushed):
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.connected and not self.total_outbufs_len:
            self.close_when_flushed = False
            self.swallow_until = epoch_now() + SWALLOW
            with suppress(OSError):  # The client has left already; reading will tell.
                self.socket.shutdown(socket.SHUT_WR)
