"""Several processes on one listening socket: started, replaced, stopped together."""

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple, NoReturn

from careers_users.server import systemd
from careers_users.server.connection_counts import ConnectionCounts
from careers_users.server.listener import Listener
from careers_users.server.signals import ALL_SIGNALS, Signals

log = logging.getLogger(__name__)

# A worker that ends earlier than this has probably never worked. After so many of them
# in a row the next one won't work either.
QUICK_END_SECONDS = 2.0
QUICK_ENDS = 5
KILL_SECONDS = 5.0  # Beyond the drain, for workers to end before they are killed.


class State(Enum):
    """The phases of a supervisor."""

    STARTING = auto()  # Fewer than wanted have ever been ready.
    SERVING = auto()
    STOPPING = auto()
    FAILED = auto()


class _Worker(NamedTuple):
    pid: int
    started: float
    place: int  # Where it counts its connections.


class Supervisor:
    """The parent of the worker processes.

    Each worker holds the write end of its own pipe: a byte says that it is ready, the
    end of file that it has ended. All hold the read end of one pipe more, whose end of
    file says that the supervisor has ended, however that came about.
    """

    def __init__(
        self,
        listener: Listener,
        work: Callable[[ConnectionCounts, Callable[[], object]], None],
        announce: Callable[[], object],
        ended: Callable[[int], object],
        *,
        processes: int,
        drain_timeout: int,
    ) -> None:
        """Prepare to run `work` in `processes` processes; see `runner.run`."""
        self._listener, self._work = listener, work
        self._announce, self._ended = announce, ended
        self._processes, self._drain_timeout = processes, drain_timeout
        self._counts = ConnectionCounts(processes)
        self._state = State.STARTING
        self._workers: dict[int, _Worker] = {}  # By the read end of their pipe.
        self._ready = self._quick_ends = 0
        self._next_start = 0.0
        self._alive, self._wake = os.pipe(), os.pipe()
        self._signals = Signals(
            lambda: os.write(self._wake[1], b"."), self._end_at_once
        )

    def run(self) -> int:
        """Return 0 after a stop that was asked for, 1 if the workers don't work."""
        # A launcher may have it ignored; then there would be no exit codes to collect.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._signals.install()
        try:
            while self._state in (State.STARTING, State.SERVING):
                is_missing = len(self._workers) < self._processes
                pause = self._next_start - time.monotonic()
                if is_missing and pause <= 0:
                    self._start()
                else:
                    self._watch(pause if is_missing else None)
        finally:
            self._stop()
        return int(self._state is State.FAILED)

    def _start(self) -> None:
        places = {worker.place for worker in self._workers.values()}
        place = min(set(range(self._processes)) - places)
        status, report = os.pipe()
        # Until it has handlers of its own, a child must not run those of its parent.
        signal.pthread_sigmask(signal.SIG_BLOCK, ALL_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self._run_worker(status, report, place)
            self._workers[status] = _Worker(pid, time.monotonic(), place)
        except OSError as error:
            log.error("A worker process can't be started: %s", error)
            os.close(status)
            self._next_start = time.monotonic() + 1
            if self._state is State.STARTING:
                self._state = State.FAILED
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL_SIGNALS)
            os.close(report)

    def _run_worker(self, status: int, report: int, place: int) -> NoReturn:
        code = 1
        try:
            for number in ALL_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL_SIGNALS)
            for fd in (*self._wake, self._alive[1], status, *self._workers):
                os.close(fd)
            _stop_at_end_of(self._alive[0])
            self._counts.place = place
            self._work(self._counts, lambda: os.write(report, b"."))
            code = 0
        except BaseException:
            log.exception("A worker process can't go on")
        finally:
            logging.shutdown()
            os._exit(code)

    def _watch(self, timeout: float | None) -> None:
        """Wait until a signal comes or a worker reports, and handle it."""
        watched = [self._wake[0], *self._workers]
        for fd in select.select(watched, [], [], timeout)[0]:
            if fd == self._wake[0]:
                os.read(fd, 1)
                self._signals.log_noted()
                if self._signals.is_stopping and self._state is not State.FAILED:
                    self._state = State.STOPPING
            elif os.read(fd, 1):
                self._count_ready()
            else:
                self._collect(fd)

    def _count_ready(self) -> None:
        self._ready += 1
        if self._ready == self._processes and self._state is State.STARTING:
            self._state = State.SERVING
            self._announce()

    def _collect(self, fd: int) -> None:
        """Take note of a worker that has ended; decide whether to go on."""
        os.close(fd)
        worker = self._workers.pop(fd)
        self._counts.clear(worker.place)
        code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
        self._ended(worker.pid)
        if self._signals.is_stopping or self._state is State.FAILED:
            return
        now = time.monotonic()
        is_quick = now - worker.started < QUICK_END_SECONDS
        self._quick_ends = self._quick_ends + 1 if is_quick else 0
        self._next_start = now + 0.05 * 2**self._quick_ends
        log.error("Worker process %d has ended by itself (%d)", worker.pid, code)
        if self._state is State.STARTING or self._quick_ends == QUICK_ENDS:
            log.error("The workers don't stay alive: read above why, then start again.")
            self._state = State.FAILED

    def _stop(self) -> None:
        """Stop all workers, and wait until they have ended."""
        systemd.notify_stopping()
        self._listener.ignore_handshakes()
        self._listener.socket.close()
        self._send(signal.SIGTERM)
        self._signals.is_stopping = True
        deadline = time.monotonic() + self._drain_timeout + KILL_SECONDS
        while self._workers and (left := deadline - time.monotonic()) > 0:
            self._watch(left)
        if self._workers:
            log.warning("%d worker processes are stuck: killed", len(self._workers))
            self._send(signal.SIGKILL)
        for fd in list(self._workers):
            self._collect(fd)

    def _send(self, number: int) -> None:
        for worker in self._workers.values():
            os.kill(worker.pid, number)

    def _end_at_once(self, code: int) -> NoReturn:
        self._send(signal.SIGKILL)
        os._exit(code)


def _stop_at_end_of(pipe: int) -> None:
    """Stop this process when a pipe ends, which ends with the process that made it."""

    def wait() -> None:
        os.read(pipe, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
