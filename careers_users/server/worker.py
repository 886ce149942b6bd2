"""One process that serves: its listener, its loop, and a stop that loses nothing."""

import errno
import heapq
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]

from careers_users import clock
from careers_users.server import file_limits, memory, status, systemd
from careers_users.server.application import Application
from careers_users.server.channel import Channel, State
from careers_users.server.connection_counts import ConnectionCounts
from careers_users.server.dispatcher import Dispatcher, Priorities
from careers_users.server.event_loop import EventLoop
from careers_users.server.listener import Listener
from careers_users.server.signals import Signals
from careers_users.server.status import draining
from careers_users.server.waitress_names import require

log = logging.getLogger(__name__)

require(TcpWSGIServer, "handle_accept", "accept", "readable", "add_task", "fix_addr")
require(TcpWSGIServer, "pull_trigger", "maintenance", "channel_class")

# For a process with fewer connections to wake up and accept the next one.
YIELD_SECONDS = 0.0005
# So many connections are spread well enough by themselves, and must not wait.
SPREAD_CONNECTIONS = 100
# Above that, connections accepted in one turn of the loop. With one, the last of 1,500
# that came at once waited for as many turns, each with requests of those before.
ACCEPT_BATCH = 50
SETTLE_SECONDS = 0.5  # In which requests that are on the wire still arrive.
# No file descriptor left, in this process or at all; no memory.
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
NO_ROOM_SECONDS = 0.5  # To wait then.
# To look again for an idle connection to close, and for requests that have expired.
LOOK_SECONDS = 0.2
# At the limit, so many of the connections are closed at once, at least one: finding
# those that are idle means looking at all of them.
CLOSED_AT_ONCE = 0.01


class Worker(TcpWSGIServer):  # type: ignore[misc]
    """The listener and the loop of one process."""

    channel_class = Channel
    next_channel_cleanup: float
    _accept_after = 0.0

    def __init__(
        self,
        served: Application,
        adj: Any,
        listener: Listener,
        counts: ConnectionCounts,
        *,
        is_alone: bool,
    ) -> None:
        """Prepare to serve on `listener`; `is_alone` if there is no supervisor."""
        self.served = served
        self._listener, self._counts, self._is_alone = listener, counts, is_alone
        self._priorities = Priorities(served.vital, served.slow)
        self.dispatcher = Dispatcher(
            adj.threads, adj.slow, adj.queue_timeout, adj.queue_room
        )
        self.changed: deque[Channel] = deque()
        self._thread = threading.get_ident()
        sock = listener.socket
        super().__init__(
            served.wsgi,
            _sock=sock,
            dispatcher=self.dispatcher,
            adj=adj,
            sockinfo=(sock.family, sock.type, sock.proto, None),
            bind_socket=False,
        )
        self._loop = EventLoop(self._map)
        self._next_look = 0.0  # For requests that have waited too long.
        # A second SIGTERM to a worker is the supervisor's, after one to all processes.
        end = os._exit if is_alone else lambda _code: None
        self._signals = Signals(self.pull_trigger, end)
        # Waking up the loop must never wait for the loop to read.
        if os.name == "posix":
            os.set_blocking(self.trigger.trigger, False)
        else:
            self.trigger.trigger.setblocking(False)

    def fix_addr(self, addr: tuple[str, int]) -> tuple[str, int]:
        return addr[0].removeprefix("::ffff:"), addr[1]

    def handle_accept(self) -> None:
        """Accept one connection, after giving a less loaded worker the chance to.

        Above SPREAD_CONNECTIONS accept up to ACCEPT_BATCH at once.
        """
        known = len(self.active_channels)
        if self._is_at_limit() and not self._close_idle():
            return
        is_spread = draining.is_set() or known >= SPREAD_CONNECTIONS
        if not is_spread and self._counts.is_above_others():
            time.sleep(YIELD_SECONDS)
        super().handle_accept()
        most = min(known + ACCEPT_BATCH, self.adj.connection_limit)
        while max(known, SPREAD_CONNECTIONS - 1) < len(self.active_channels) < most:
            known = len(self.active_channels)
            super().handle_accept()

    def accept(self) -> Any:
        """Return a new connection, or None if there is none or no room for it."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
        # The listener stays readable, and would keep the loop busy.
        self._accept_after = time.monotonic() + NO_ROOM_SECONDS
        if status.warn("descriptors", "No file can be opened for a connection."):
            log.error("No file can be opened for one more connection (ulimit -n).")
        return None

    def readable(self) -> bool:
        """Return whether to accept connections; waitress stops at the limit."""
        return bool(self.accepting) and time.monotonic() >= self._accept_after

    def _is_at_limit(self) -> bool:
        limit = self.adj.connection_limit
        return not draining.is_set() and len(self.active_channels) >= limit

    def _close_idle(self) -> bool:
        """Close the connections that are idle for longest, for new ones.

        Return whether there were any; if not, new ones wait in the kernel.
        """
        now = clock.timestamp()
        idle = [each for each in self.active_channels.values() if each.is_idle(now)]
        limit = self.adj.connection_limit
        number = max(1, int(CLOSED_AT_ONCE * limit))
        for channel in heapq.nsmallest(number, idle, lambda each: each.last_activity):
            channel.handle_close()
        if not idle:
            self._accept_after = time.monotonic() + LOOK_SECONDS
        sentence = "CAREERS_USERS_CONNECTION_LIMIT is reached"
        if status.warn("connections", f"{sentence}."):
            what = (
                "idle connections are closed for new ones" if idle else "new ones wait"
            )
            log.warning("%s (%d): %s.", sentence, limit, what)
        return bool(idle)

    def add_task(self, channel: Channel) -> None:
        """Let a request wait for a thread, or refuse it if too many do.

        The caller holds a lock of the connection. Behind a reply that is not flushed
        the request is held; the loop calls this again then.
        """
        if channel.total_outbufs_len:
            channel.state = State.HELD
            return
        request = channel.requests[0]
        channel.priority = self._priorities.of(
            getattr(request, "command", None), getattr(request, "path", None)
        )
        is_new = self.is_loop() and not draining.is_set()
        if is_new and self.dispatcher.is_full(channel.priority):
            channel.is_turned_away = True
        else:
            self.dispatcher.add_task(channel)

    def is_loop(self) -> bool:
        """Return whether the calling thread is the one of the loop."""
        return threading.get_ident() == self._thread

    def pull_trigger(self) -> None:
        """Wake up the loop."""
        with suppress(BlockingIOError):  # It is full: the loop wakes up anyhow.
            super().pull_trigger()

    def maintenance(self, now: float) -> None:
        """Close connections that are idle, or too slow to send or to take anything."""
        super().maintenance(now)
        status.log_refusals()
        memory.give_back()
        for channel in list(self.active_channels.values()):
            is_silent = channel.last_activity < now - self.adj.channel_timeout
            is_late = channel.is_late(now)
            has_reply = bool(channel.total_outbufs_len)
            if (is_silent and (has_reply or channel.will_close)) or (
                is_late and has_reply
            ):
                # It takes too little, and may never become writable. After this turn
                # of the loop, which is looking at all of them.
                with suppress(BlockingIOError):
                    self.trigger.pull_trigger(channel.handle_close)
            channel.will_close |= is_late
            if channel.will_close:
                self.changed.append(channel)

    def run_until_stopped(
        self, ready: Callable[[], object], drain_timeout: int
    ) -> None:
        """Serve until a stop signal; then answer the requests that are there, in time.

        `ready` is called when connections are accepted.
        """
        if self._is_alone:
            self._signals.install()
        else:
            self._signals.install_in_worker()
        memory.freeze()
        ready()
        while not self._signals.is_stopping:
            is_waiting = self.dispatcher.has_waiting()
            has_paused = time.monotonic() < self._accept_after
            self._pump(LOOK_SECONDS if is_waiting or has_paused else 1)
            self._signals.log_noted()
        if self._is_alone:
            systemd.notify_stopping()
        self._drain(drain_timeout)
        memory.unfreeze()

    def _pump(self, timeout: float) -> None:
        # Waitress does it when it asks the listener, which is closed in the end.
        if (now := clock.timestamp()) >= self.next_channel_cleanup:
            self.next_channel_cleanup = now + self.adj.cleanup_interval
            self.maintenance(now)
        if now >= self._next_look and not draining.is_set():
            self._next_look = now + LOOK_SECONDS
            for expired in self.dispatcher.take_expired():
                expired.turn_away()
        changed = [self, *self.dispatcher.served()]
        while self.changed:
            changed.append(self.changed.popleft())
        if not draining.is_set():
            self._counts.update(len(self.active_channels))
        self._loop.turn(timeout, changed)

    def _unfinished(self) -> int:
        # A copy: a thread may find its client gone, and drop a channel meanwhile.
        return sum(
            channel.unfinished() for channel in list(self.active_channels.values())
        )

    def _close_listener(self) -> None:
        if not self._listener.is_given:
            self._accept_waiting()
        self._loop.forget(self)
        wasyncore.dispatcher.close(self)  # Not our own: that closes the trigger too.

    def _accept_waiting(self) -> None:
        """Accept the connections that wait in the kernel: closing would reset them."""
        if self._is_alone:  # Other processes may accept from the same socket.
            self._listener.ignore_handshakes()
        known, most = -1, self.adj.connection_limit + file_limits.SPARE_FILES // 2
        while known < len(self.active_channels) < most:
            known = len(self.active_channels)
            self.handle_accept()

    def _drain(self, limit: int) -> None:
        draining.set()
        self._counts.clear(self._counts.place)
        begun = time.monotonic()
        self._close_listener()
        while (elapsed := time.monotonic() - begun) < limit:
            self._pump(0.05)
            if elapsed > SETTLE_SECONDS and not self._unfinished():
                break
        if lost := self._unfinished():
            log.warning("Cut off %d unanswered request(s) after %d s", lost, limit)
        left = 0 if lost else max(0, limit - elapsed)
        self.dispatcher.shutdown(left)
        wasyncore.close_all(self._map)
