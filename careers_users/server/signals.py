"""Signals: which stop the server, and which it only notes."""

import logging
import os
import signal
from collections import deque
from collections.abc import Callable
from types import FrameType

log = logging.getLogger(__name__)


def _available(*names: str) -> list[signal.Signals]:
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


STOP_SIGNALS = _available("SIGINT", "SIGTERM", "SIGQUIT", "SIGBREAK")
# Sent by log rotation and by habit. Their default would end the process.
NOTED_SIGNALS = _available("SIGHUP", "SIGUSR1", "SIGUSR2")
ALL_SIGNALS = [*STOP_SIGNALS, *NOTED_SIGNALS]


class Signals:
    """The signals that one process has received.

    The first stop signal sets `is_stopping` and calls `wake`, a second one calls
    `end_at_once` with the exit code. Handlers do no more: they run between any two
    instructions, where writing to the log could fail.
    """

    def __init__(
        self, wake: Callable[[], object], end_at_once: Callable[[int], object]
    ) -> None:
        self.is_stopping = False
        self._wake, self._end_at_once = wake, end_at_once
        self._noted: deque[int] = deque()
        self._had_terminal = _has_terminal()

    def install(self) -> None:
        """Handle the signals of a process that operators talk to."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop)
        for number in NOTED_SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # As nohup(1) sets it.
                signal.signal(number, self._note)

    def install_in_worker(self) -> None:
        """Handle SIGTERM alone: Ctrl-C reaches workers too, but the parent decides."""
        for number in ALL_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._stop)

    def log_noted(self) -> None:
        """Log the signals that change nothing."""
        while self._noted:
            log.warning(
                "%s changes nothing: settings are read at the start alone, and the log "
                "goes to stderr.",
                signal.Signals(self._noted.popleft()).name,
            )

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if self.is_stopping:
            self._end_at_once(128 + number)
        self.is_stopping = True
        self._wake()

    def _note(self, number: int, frame: FrameType | None) -> None:
        # A closed terminal sends SIGHUP too; nothing could stop the server from there.
        if self._had_terminal and not _has_terminal():
            self._stop(number, frame)
            return
        self._noted.append(number)
        self._wake()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True
