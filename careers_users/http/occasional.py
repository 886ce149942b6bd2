"""Log lines that clients can cause, written now and then instead of each time."""

import threading
import time

SECONDS = 60.0


class Occasional:
    """Says whether something is to be logged: at most once per SECONDS."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = float("-inf")

    def is_due(self) -> bool:
        """Return whether it is time again; if so, the next time is SECONDS away."""
        now = time.monotonic()
        with self._lock:
            if now < self._next:
                return False
            self._next = now + SECONDS
            return True
