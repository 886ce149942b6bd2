"""Several processes on one listening socket: started, replaced, stopped together."""

import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple, NoReturn

from careers_users.worker import ignore_newcomers

log = logging.getLogger(__name__)

QUICK_DEATH = 2.0  # A worker process that lives for less has probably never worked,
QUICK_DEATHS = 5  # and after so many of them in a row one more won't either.
MERCY = 5.0  # Seconds beyond the drain until a worker process is killed.

STOP_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGBREAK")
    if hasattr(signal, name)
]


class _Child(NamedTuple):
    pid: int
    started: float


class Supervisor:
    """Keeps the worker processes alive, and stops them all together.

    Each worker holds the write end of its own pipe: a byte says that it is ready, the
    end of file that it is gone. All hold the read end of one pipe more, whose end of
    file says that the supervisor is gone, however that came about.
    """

    def __init__(
        self,
        listener: socket.socket,
        serve: Callable[[Callable[[], object], list[int]], None],
        announce: Callable[[], object],
        ended: Callable[[int], object],
        *,
        processes: int,
        drain_timeout: int,
    ) -> None:
        self.listener, self.serve, self.announce = listener, serve, announce
        self.ended = ended
        self.processes, self.drain_timeout = processes, drain_timeout
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
                missing = self.processes - len(self.children)
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
                if self.ready == self.processes:
                    self.announce()

    def _bury(self, fd: int) -> None:
        os.close(fd)
        pid, started = self.children.pop(fd)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.ended(pid)
        if self.stopping:
            return
        now = time.monotonic()
        quick = now - started < QUICK_DEATH
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        self.next_start = now + 0.05 * 2**self.quick_deaths
        log.error("Worker process %d has ended by itself (%d)", pid, code)
        if self.ready < self.processes or self.quick_deaths == QUICK_DEATHS:
            log.error("The workers don't stay alive: read above why, then start again.")
            self.failed = True

    def _end(self) -> None:
        self.stopping = True
        ignore_newcomers(self.listener)
        self.listener.close()
        self._send(signal.SIGTERM)
        deadline = time.monotonic() + self.drain_timeout + MERCY
        while self.children and (left := deadline - time.monotonic()) > 0:
            self._watch(left)
        if self.children:
            log.warning("%d worker processes are stuck: killed", len(self.children))
            self._send(signal.SIGKILL)
        for fd in list(self.children):
            self._bury(fd)
