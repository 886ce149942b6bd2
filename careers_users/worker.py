"""One process that serves: its listener, its loop, and the stop that loses nothing."""

import logging
import os
import signal
import socket
import struct
import sys
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any
from wsgiref.types import WSGIApplication

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]

from careers_users.connections import Channel, behind_proxy
from careers_users.draining import draining

log = logging.getLogger(__name__)

SETTLE = 0.5  # Seconds in which requests that are on the wire still arrive.


def ignore_newcomers(listener: socket.socket) -> None:
    """Leave handshakes unanswered, where the system can: the next try finds us gone.

    Otherwise closing cuts off whoever came in since the last look at who waits.
    """
    if sys.platform == "linux":
        # SO_ATTACH_FILTER with one instruction, "keep 0 bytes" (BPF_RET); socket(7).
        keep_nothing = array("B", struct.pack("HBBI", 6, 0, 0, 0))
        program = struct.pack("HP", 1, keep_nothing.buffer_info()[0])
        with suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, 26, program)


class Worker(TcpWSGIServer):  # type: ignore[misc]
    """The listener and the loop of one process."""

    channel_class = Channel
    alone = stopping = False

    def __init__(self, app: WSGIApplication, adj: Any, listener: socket.socket) -> None:
        where = (listener.family, listener.type, listener.proto, None)
        super().__init__(
            app, _sock=listener, adj=adj, sockinfo=where, bind_socket=False
        )
        # Waitress has wrapped it in its own reading of forwarding headers.
        self.application = behind_proxy(app, adj)

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
            ignore_newcomers(self.socket)
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
