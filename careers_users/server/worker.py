"""One process that serves: its listener, its loop, and the stop that loses nothing."""

import errno
import logging
import os
import signal
import socket
import struct
import sys
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]

from careers_users import clock
from careers_users.server import file_limits, memory, status
from careers_users.server.application import Application
from careers_users.server.channel import Channel
from careers_users.server.connection_counts import Share
from careers_users.server.dispatcher import Lanes, Queue
from careers_users.server.event_loop import Loop
from careers_users.server.handover import Terminal
from careers_users.server.status import at_end, closing, draining

log = logging.getLogger(__name__)

COURTESY = 0.0005  # Seconds for another process to be awake and let a newcomer in.
CROWD = 100  # Connections that are spread well enough by themselves, and must not wait.
# A crowd's newcomers in one turn of the loop. With one, the last of 1,500 who come at
# once waited for as many turns, each with requests of those who came before.
NEWCOMERS = 50
SETTLE = 0.5  # Seconds in which requests that are on the wire still arrive.
# No descriptor left, in this process or at all; no memory. And how long to wait then.
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
NO_ROOM_SECONDS = 0.5
# "Others have taken over: go, in your own time." None where processes can't be forked.
LEAVE: int | None = getattr(signal, "SIGUSR1", None)


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
    alone = stopping = leaving = hung_up = False
    _closed_until = 0.0
    next_channel_cleanup: float

    def __init__(
        self,
        served: Application,
        adj: Any,
        listener: socket.socket,
        share: Share,
    ) -> None:
        self._share, self.served = share, served
        self._lanes = Lanes(served.vital, served.slow)
        where = (listener.family, listener.type, listener.proto, None)
        self.queue = Queue(adj.threads, adj.slow, adj.queue_timeout, adj.queue_room)
        self.changed: deque[Channel] = deque()
        self._thread = threading.get_ident()
        super().__init__(
            served.wsgi,
            _sock=listener,
            dispatcher=self.queue,
            adj=adj,
            sockinfo=where,
            bind_socket=False,
        )
        # Waitress has wrapped it in its own reading of forwarding headers.
        self.application = served.wsgi
        self._loop = Loop(self._map)
        # What wakes up the loop must never wait for the loop to read it.
        if os.name == "posix":
            os.set_blocking(self.trigger.trigger, False)
        else:
            self.trigger.trigger.setblocking(False)

    def fix_addr(self, addr: tuple[str, int]) -> tuple[str, int]:
        return addr[0].removeprefix("::ffff:"), addr[1]

    def handle_accept(self) -> None:
        """Let a newcomer in, unless a process with fewer connections does just now.

        Of a crowd, several.
        """
        known = len(self.active_channels)
        if not (self.stopping or known >= CROWD) and self._share.is_ahead():
            time.sleep(COURTESY)
        super().handle_accept()
        most = min(known + NEWCOMERS, self.adj.connection_limit)
        while max(known, CROWD - 1) < len(self.active_channels) < most:
            known = len(self.active_channels)
            super().handle_accept()

    def accept(self) -> Any:
        """Return a newcomer, if there is one and room for it in this process."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
        # The listener says again and again that somebody waits.
        self._closed_until = time.monotonic() + NO_ROOM_SECONDS
        if status.warn("descriptors", "No file can be opened for a connection."):
            log.error("No file can be opened for one more connection (ulimit -n).")
        return None

    def readable(self) -> bool:
        return bool(super().readable()) and time.monotonic() >= self._closed_until

    def add_task(self, channel: Channel) -> None:
        """Let a request wait for a thread, or refuse it if too many do.

        What a client has sent behind another request is let in with that one: a thread
        calls for it, and holds a lock of the connection.
        """
        request = channel.requests[0]
        channel.lane = self._lanes.of(
            getattr(request, "command", None), getattr(request, "path", None)
        )
        is_new = self.is_loop() and not closing.is_set()
        if is_new and self.queue.is_full(channel.lane):
            channel.turned_away = True
        else:
            self.queue.add_task(channel)

    def is_loop(self) -> bool:
        """Tell whether the thread that asks is the one of the loop."""
        return threading.get_ident() == self._thread

    def pull_trigger(self) -> None:
        """Wake up the loop."""
        with suppress(BlockingIOError):  # It is full: the loop wakes up anyhow.
            super().pull_trigger()

    def maintenance(self, now: float) -> None:
        """Close what is idle, and what takes for ever to send or take anything."""
        for channel in list(self.active_channels.values()):
            is_idle = channel.last_activity < now - self.adj.channel_timeout
            if is_idle and (channel.will_close or channel.total_outbufs_len):
                # It takes nothing, and so never becomes writable. After this turn of
                # the loop, which is looking at all of them.
                with suppress(BlockingIOError):
                    self.trigger.pull_trigger(channel.handle_close)
        super().maintenance(now)
        status.log_refusals()
        memory.give_back()
        for channel in list(self.active_channels.values()):
            late = now - self.adj.channel_timeout
            if channel.request and not channel.requests:
                channel.will_close |= channel.request.started < late
            if channel.will_close:
                self.changed.append(channel)

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
            self.leaving = number == LEAVE
            if not self.stopping:
                self.stopping = True
                self.pull_trigger()

        for number in signals:
            signal.signal(number, stop)
        if self.alone and hasattr(signal, "SIGHUP"):
            self._watch_terminal(stop)
        memory.keep_what_is_there()
        ready()
        while not self.stopping:
            self._pump(1)
            if self.hung_up:
                self.hung_up = False
                log.warning(
                    "A restart without a gap takes CAREERS_USERS_PROCESSES of 2 or "
                    "more. Nothing changes; stop and start instead."
                )
        self._drain(drain_timeout)
        memory.let_go()
        while at_end:
            at_end.pop()()

    def _watch_terminal(self, stop: Callable[[int, FrameType | None], None]) -> None:
        terminal = Terminal()

        def hang_up(number: int, frame: FrameType | None) -> None:
            if terminal.is_gone():
                stop(number, frame)
            else:
                self.hung_up = True

        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # By nohup.
            signal.signal(signal.SIGHUP, hang_up)

    def _pump(self, timeout: float) -> None:
        # Waitress does it when it asks the listener, of which there is none in the end.
        if (now := clock.timestamp()) >= self.next_channel_cleanup:
            self.next_channel_cleanup = now + self.adj.cleanup_interval
            self.maintenance(now)
        changed = [self, *self.queue.served()]
        while self.changed:
            changed.append(self.changed.popleft())
        if not self.stopping:
            self._share.note(len(self.active_channels))
        self._loop.turn(timeout, changed)

    def _unfinished(self) -> int:
        # A copy: a thread may find its client gone, and drop a channel meanwhile.
        return sum(
            channel.unfinished() for channel in list(self.active_channels.values())
        )

    def _close_listener(self) -> None:
        if self.alone:  # Other processes may listen at the same door.
            ignore_newcomers(self.socket)
        known, most = -1, self.adj.connection_limit + file_limits.SPARE // 2
        while known < len(self.active_channels) < most:
            known = len(self.active_channels)
            self.handle_accept()
        self._loop.forget(self)
        wasyncore.dispatcher.close(self)  # Not our own: that closes the trigger too.

    def _is_over(self, elapsed: float) -> bool:
        if self.leaving:
            # Nobody waits for our end. Who calls again on an open connection is told
            # that it was the last time, rather than finding it closed.
            return not self.active_channels
        return elapsed > SETTLE and not self._unfinished()

    def _drain(self, limit: int) -> None:
        closing.set()
        self._share.leave()
        begun = time.monotonic()
        self._close_listener()
        while (elapsed := time.monotonic() - begun) < limit:
            if not self.leaving:
                draining.set()
            self._pump(0.05)
            if self._is_over(elapsed):
                break
        if lost := self._unfinished():
            log.warning("Cut off %d unanswered request(s) after %d s", lost, limit)
        left = 0 if lost else max(0, limit - elapsed)
        self.queue.shutdown(left)
        wasyncore.close_all(self._map)
