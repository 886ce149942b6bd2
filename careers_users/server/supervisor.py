"""Several processes on one listening socket: started, replaced, stopped together."""

import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple, NoReturn

from careers_users.server import handover
from careers_users.server.connection_counts import Share, Shares
from careers_users.server.handover import Handover, Terminal
from careers_users.server.worker import LEAVE, ignore_newcomers

log = logging.getLogger(__name__)

QUICK_DEATH = 2.0  # A worker process that lives for less has probably never worked,
QUICK_DEATHS = 5  # and after so many of them in a row one more won't either.
MERCY = 5.0  # Seconds beyond the drain until a worker process is killed.

STOP_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGBREAK")
    if hasattr(signal, name)
]
# What one process of several is told by another: stop, or leave in its own time.
GO_SIGNALS = [number for number in (signal.SIGTERM, LEAVE) if number is not None]
HEARD = [*STOP_SIGNALS, *GO_SIGNALS]
if sys.platform != "win32":
    HEARD += [signal.SIGHUP, signal.SIGQUIT]


class _Child(NamedTuple):
    pid: int
    started: float
    # Of a worker, where it notes its connections. A whole new server with workers of
    # its own has none.
    place: int | None

    @property
    def is_generation(self) -> bool:
        return self.place is None


def follow(given: Handover) -> None:
    """Live as a later generation: as long as the giver does, who hears the terminal."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _outlive_nobody(given.alive)


def _outlive_nobody(alive: int) -> None:
    """Stop when a pipe ends, which ends with the process that made it."""

    def wait() -> None:
        os.read(alive, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


class Supervisor:
    """Keeps the worker processes alive, and stops them all together.

    Each worker holds the write end of its own pipe: a byte says that it is ready, the
    end of file that it is gone. All hold the read end of one pipe more, whose end of
    file says that the supervisor is gone, however that came about.

    SIGHUP starts a new *generation*: a server of its own, with a supervisor and workers
    of what is installed and set now, on the same socket. Once it is ready all others
    are asked to leave, and this process only stays to pass signals on.
    """

    def __init__(
        self,
        listener: socket.socket,
        serve: Callable[[Share, Callable[[], object], list[int]], None],
        announce: Callable[[], object],
        ended: Callable[[int], object],
        *,
        processes: int,
        drain_timeout: int,
        address: tuple[str, int],
        given: Handover | None = None,
    ) -> None:
        self.listener, self.serve, self.announce = listener, serve, announce
        self.ended, self.address, self.given = ended, address, given
        self.shares = Shares(processes)
        self.processes = self.wanted = processes
        self.drain_timeout = drain_timeout
        self.children: dict[int, _Child] = {}
        self.leavers: set[int] = set()
        self.successor: int | None = None
        self.alive, self.wake = os.pipe(), os.pipe()
        self.ready = self.quick_deaths = 0
        self.next_start = 0.0
        self.stopping = self.leaving = self.failed = self.renewing = False
        self.terminal = Terminal()

    def run(self) -> int:
        """Return 0 after a stop that was asked for, 1 if the workers don't work."""
        self._listen_to_signals()
        try:
            while not (self.stopping or self.failed):
                if self.renewing and self.successor is None:
                    self._renew()
                missing = self.wanted - self._workers()
                pause = self.next_start - time.monotonic()
                if missing > 0 and pause <= 0:
                    self._start()
                else:
                    self._watch(pause if missing > 0 else None)
        finally:
            self._end()
        return int(self.failed)

    def _listen_to_signals(self) -> None:
        # A launcher may have it ignored; then there would be no exit codes to collect.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if self.given:
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT):
                signal.signal(number, self._on_word_from_above)
            return
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # By nohup.
            signal.signal(signal.SIGHUP, self._on_hangup)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            self._end_at_once(128 + number)
        self.stopping = True
        os.write(self.wake[1], b".")

    def _on_word_from_above(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGQUIT:
            self._end_at_once(1)
        if self.leaving and number == signal.SIGTERM:  # Faster, then.
            self._send(number)
        self.leaving = number == LEAVE
        self.stopping = True
        os.write(self.wake[1], b".")

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        if self.terminal.is_gone():
            self._on_signal(number, frame)
        self.renewing = True
        os.write(self.wake[1], b".")

    def _end_at_once(self, code: int) -> NoReturn:
        for child in self.children.values():
            # A generation has children to kill first.
            number = signal.SIGQUIT if child.is_generation else signal.SIGKILL
            os.kill(child.pid, number)
        os._exit(code)

    def _send(self, number: int) -> None:
        for child in self.children.values():
            os.kill(child.pid, number)

    def _workers(self) -> int:
        return sum(
            not child.is_generation and fd not in self.leavers
            for fd, child in self.children.items()
        )

    def _start(self) -> None:
        status, report = os.pipe()
        places = set(range(self.processes))
        place = min(places - {child.place for child in self.children.values()})
        # Until it has handlers of its own, a child must not run those of its parent.
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        try:
            pid = os.fork()
        except OSError as error:
            self._not_started(error, status, report)
            return
        if pid == 0:
            self._work(status, report, place)
        self.children[status] = _Child(pid, time.monotonic(), place)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        os.close(report)

    def _not_started(self, error: OSError, *pipe: int) -> None:
        """Go on with those that there are, and try again in a while."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        for fd in pipe:
            os.close(fd)
        log.error("A worker process can't be started: %s", error)
        self.failed = self.ready < self.processes
        self.next_start = time.monotonic() + 1

    def _work(self, status: int, report: int, place: int) -> NoReturn:
        code = 1
        try:
            # Ctrl-C reaches the whole process group; the parent decides what it means.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
            of_others = (self.given.report, self.given.alive) if self.given else ()
            for fd in (*self.wake, self.alive[1], status, *self.children, *of_others):
                os.close(fd)
            _outlive_nobody(self.alive[0])
            share = Share(self.shares, place)
            self.serve(share, lambda: os.write(report, b"."), GO_SIGNALS)
            code = 0
        except BaseException:
            log.exception("A worker process can't go on")
        finally:
            logging.shutdown()
            os._exit(code)

    def _renew(self) -> None:
        self.renewing = False
        status, report = os.pipe()
        listener = self.listener.fileno()
        log.info("Starting again beside what is served now")
        given = Handover(listener, report, self.alive[0], *self.address)
        try:
            pid = handover.give(given)
        except OSError as error:  # The interpreter is just being replaced, say.
            log.error("It has not started: %s. Nothing changes.", error)
            os.close(status)
            return
        finally:
            os.close(report)
        self.children[status] = _Child(pid, time.monotonic(), None)
        self.successor = status

    def _succeed(self, successor: int) -> None:
        """Let all others leave, now that the successor is ready."""
        log.info("Process %d has taken over", self.children[successor].pid)
        self.successor, self.wanted = None, 0
        for fd in self.children.keys() - self.leavers - {successor}:
            self.leavers.add(fd)
            os.kill(self.children[fd].pid, signal.SIGUSR1)

    def _watch(self, timeout: float | None) -> None:
        for fd in select.select([self.wake[0], *self.children], [], [], timeout)[0]:
            if not os.read(fd, 1):
                self._bury(fd)
            elif fd != self.wake[0] and self.children[fd].is_generation:
                # Those who have been told to stop must not take their time after all.
                if not self.stopping:
                    self._succeed(fd)
            elif fd != self.wake[0]:
                self.ready += 1
                if self.ready == self.processes:
                    self.announce()

    def _bury(self, fd: int) -> None:
        os.close(fd)
        child = self.children.pop(fd)
        if child.place is not None:
            self.shares.leave(child.place)
        code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
        self.ended(child.pid)
        if self.stopping or fd in self.leavers:
            self.leavers.discard(fd)
        elif fd == self.successor:
            self.successor = None
            log.error("It has not started (%d): read above why. Nothing changes.", code)
        elif child.is_generation:
            log.error("Process %d has ended by itself (%d)", child.pid, code)
            self.failed = True
        else:
            self._mourn(child, code)

    def _mourn(self, worker: _Child, code: int) -> None:
        now = time.monotonic()
        quick = now - worker.started < QUICK_DEATH
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        self.next_start = now + 0.05 * 2**self.quick_deaths
        log.error("Worker process %d has ended by itself (%d)", worker.pid, code)
        if self.ready < self.processes or self.quick_deaths == QUICK_DEATHS:
            log.error("The workers don't stay alive: read above why, then start again.")
            self.failed = True

    def _end(self) -> None:
        self.stopping = True
        if not self.given:  # Otherwise others listen at the same door.
            ignore_newcomers(self.listener)
        self.listener.close()
        self._send(signal.SIGUSR1 if self.leaving else signal.SIGTERM)
        deadline = time.monotonic() + self.drain_timeout + MERCY
        while self.children and (left := deadline - time.monotonic()) > 0:
            # A generation may be set another limit than ours, and keeps it by itself.
            is_ours = all(not child.is_generation for child in self.children.values())
            self._watch(left if is_ours else None)
        if self.children:
            log.warning("%d worker processes are stuck: killed", len(self.children))
            self._send(signal.SIGKILL)
        for fd in list(self.children):
            self._bury(fd)
