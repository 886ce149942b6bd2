"""Connections as waitress has them, with our refusals and our limits."""

import logging
import socket
from contextlib import suppress
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.task import ErrorTask, WSGITask  # type: ignore[import-untyped]
from waitress.utilities import build_http_date  # type: ignore[import-untyped]

from careers_users import clock
from careers_users.server import status
from careers_users.server.dispatcher import Priority
from careers_users.server.parser import Parser
from careers_users.server.status import draining
from careers_users.server.waitress_names import require

log = logging.getLogger(__name__)

require(WSGITask, "build_response_header", "finish")
require(ErrorTask, "execute", "set_close_on_finish")
require(HTTPChannel, "parser_class", "task_class", "error_task_class", "add_channel")
require(HTTPChannel, "write_soon", "_flush_some", "_flush_exception", "readable")
require(HTTPChannel, "writable", "received", "handle_write", "handle_close", "service")
require(HTTPChannel, "will_close", "close_when_flushed", "total_outbufs_len")

DISCARD_SECONDS = 2.0  # For a refused sender to notice, before the connection ends.
# Half a request, or a reply that is not taken: silent for longer, it does not delay a
# stop, and makes room for a new connection.
STALLED_SECONDS = 2.0
IDLE_SECONDS = 0.5  # In which a request that is on the wire still arrives.


class State(Enum):
    """The states of a connection that waitress does not know."""

    OPEN = auto()
    HELD = auto()  # Its next request waits until the reply before is flushed.
    REFUSED = auto()  # Its last reply is written; the client may still be sending.
    DISCARDING = auto()  # That reply is flushed; what comes is read and dropped.


class _Task(WSGITask):  # type: ignore[misc]
    """Sends header and body together; a reply while draining is the last one."""

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


class _Refusal(ErrorTask):  # type: ignore[misc]
    """Answers what waitress refuses: our JSON, and nothing of what the client sent."""

    def execute(self) -> None:
        headers = self.request.headers
        code = self.request.error.code
        names, body = self.channel.server.served.refuse(
            *(code, headers.get("ORIGIN"), headers.get("X_REQUEST_ID")),
            self.channel.addr[0],
        )
        self.status = f"{code} {HTTPStatus(code).phrase}"
        self.response_headers = list(names.items())
        self.content_length = len(body)
        self.channel.state = State.REFUSED
        self.set_close_on_finish()
        self.write(b"" if self.request.command == "HEAD" else body)


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection.

    One reply at a time: the next pipelined request is not served before the client has
    taken the reply, so that it can't occupy threads by not reading.

    After a refusal it reads and drops what the client still sends. Closing at once
    would reset the connection under a client that is busy sending, and that client
    would never read why.
    """

    parser_class, task_class, error_task_class = Parser, _Task, _Refusal
    close_when_flushed = will_close = is_turned_away = False
    state = State.OPEN
    priority = Priority.NORMAL
    queued = reply_began = discards_until = 0.0
    header = b""
    requests: list[Any]

    def add_channel(self, map: Any = None) -> None:  # As waitress calls it.
        """Be watched from now on."""
        super().add_channel(map)
        self.server.changed.append(self)

    def write_soon(self, data: Any) -> int:
        """Send `data`; a header waits for the first piece of its body.

        It saves a packet, and a process that is killed does not leave half a reply with
        a proxy, which could not ask another instance then.
        """
        if data and not self.total_outbufs_len:
            self.reply_began = clock.timestamp()
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
        """Return how many requests of this connection are still to be answered."""
        recent = clock.timestamp() - self.last_activity < STALLED_SECONDS
        half_done = self.total_outbufs_len or (self.request and recent)
        is_discarding = self.state is State.DISCARDING
        return len(self.requests) or int(bool(half_done or is_discarding))

    def is_idle(self, now: float) -> bool:
        """Return whether nothing happens here that is worth waiting for."""
        is_halfway = self.request or self.total_outbufs_len
        limit = STALLED_SECONDS if is_halfway else IDLE_SECONDS
        return not self.requests and bool(self.last_activity < now - limit)

    def is_late(self, now: float) -> bool:
        """Return whether sending a request, or taking a reply, takes too long."""
        late = now - self.adj.channel_timeout
        if self.total_outbufs_len:
            return bool(self.reply_began < late)
        return bool(self.request and not self.requests and self.request.started < late)

    def readable(self) -> bool:
        return bool(self.state is State.DISCARDING or super().readable())

    def writable(self) -> bool:
        if self.state is State.OPEN:  # Asked several times per request.
            return bool(super().writable())
        is_over = (
            self.state is State.DISCARDING and self.discards_until < clock.timestamp()
        )
        # The loop may have flushed the reply just before the thread held this one.
        is_held = self.state is State.HELD
        return bool(super().writable() or is_over or is_held)

    def received(self, data: bytes) -> bool:
        if self.state is State.DISCARDING:
            return True
        has_come = bool(super().received(data))
        self._turn_away_marked()
        return has_come

    def turn_away(self) -> None:
        """Answer 503 to the first request, in the thread of the loop."""
        if self.connected:
            self.is_turned_away = True
            self._turn_away_marked()
        else:
            self.cancel()
        self.server.changed.append(self)

    def _turn_away_marked(self) -> None:
        while self.is_turned_away:
            self.is_turned_away = False
            self._turn_away()

    def _turn_away(self) -> None:
        """Answer 503 at a tenth of the application's cost: no thread, no log line.

        The connection stays open, since making another one costs more.
        """
        status.count_refusal()
        request = self.requests[0]
        get: Any = request.headers.get
        headers, body = self.server.served.refuse(
            503, get("ORIGIN"), get("X_REQUEST_ID"), None
        )
        # Half a request that comes last would have to be told to continue, or not. And
        # where a request ends that can't be read is unknown.
        is_cut = (self.request and len(self.requests) == 1) or request.error
        is_last = request.version != "1.1" or request.connection_close or is_cut
        headers |= {"Connection": "close"} if is_last else {}
        headers |= {
            "Content-Length": str(len(body)),
            "Date": build_http_date(clock.timestamp()),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 503 Service Unavailable\r\n{lines}\r\n".encode("latin-1")
        self.write_soon(head if request.command == "HEAD" else head + body)
        with self.requests_lock:
            answered = [self.requests.pop(0)]
            if is_last:
                self.state = State.REFUSED
                self.close_when_flushed = True
                answered += self.requests
                self.requests = []
            for each in answered:
                each.close()
            if self.requests:
                self.server.add_task(self)

    def handle_close(self) -> None:
        """Close it; a thread leaves that to the loop, which may be looking at it."""
        if self.server.is_loop():
            super().handle_close()
        else:
            self.will_close = True
            self.server.pull_trigger()

    def handle_write(self) -> None:
        """Send what can be sent, then do what has waited for that."""
        self.will_close = self.will_close or self.state is State.DISCARDING
        if self.state is State.REFUSED and not self.will_close:
            self._end_sending()
            return
        super().handle_write()
        if self.state is State.HELD and self.connected and not self.total_outbufs_len:
            with self.requests_lock:
                self.state = State.OPEN
                if self.requests:
                    self.server.add_task(self)
            self._turn_away_marked()

    def _end_sending(self) -> None:
        """Flush the last reply; once it is sent, say so and begin to discard."""
        self._flush_exception(self._flush_some)
        if self.close_when_flushed and self.connected and not self.total_outbufs_len:
            self.close_when_flushed = False
            self.state = State.DISCARDING
            self.discards_until = clock.timestamp() + DISCARD_SECONDS
            with suppress(OSError):  # The client has left already; reading will tell.
                self.socket.shutdown(socket.SHUT_WR)
