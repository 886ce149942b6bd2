"""How many requests were refused for want of a thread: the server counts, others ask.

One process serves one application, so there is one of everything here.
"""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

SAY_SECONDS = 10.0  # A line for each refusal would be a load of its own.


def _unwatched() -> None:
    """Count nothing."""


class _Tally:
    observer: Callable[[], object] = staticmethod(_unwatched)
    unsaid = 0
    next_line = 0.0


def watch(observer: Callable[[], object]) -> None:
    """Call `observer` for each request that is refused from now on."""
    _Tally.observer = observer


def count() -> None:
    """Note that a request has been refused for want of a thread."""
    _Tally.observer()
    _Tally.unsaid += 1
    say()


def say() -> None:
    """Log how many were refused, at once and then every ten seconds."""
    now = time.monotonic()
    if _Tally.unsaid and now >= _Tally.next_line:
        log.warning(
            "Overloaded: refused %d request(s) with 503, since more wait than can be "
            "answered in time",
            _Tally.unsaid,
        )
        _Tally.unsaid, _Tally.next_line = 0, now + SAY_SECONDS
