"""The state of this process: stopping, overload, warnings for the operator.

The server sets it, readiness and metrics read it. One process serves one application,
so there is one of everything here.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

# A line for each refusal would be a load of its own.
LOG_REFUSALS_SECONDS = 10.0
# How long after it was last given a warning is still told.
WARNINGS_SECONDS = 300.0

# This process stops: readiness says so, and replies end their connection.
draining: threading.Event = threading.Event()


class _Refusals:
    observer: Callable[[], object] = staticmethod(lambda: None)
    unlogged = 0
    next_line = 0.0


def watch_refusals(observer: Callable[[], object]) -> None:
    """Call `observer` for each request that is refused for want of a thread."""
    _Refusals.observer = observer


def count_refusal() -> None:
    """Note that a request has been refused for want of a thread."""
    _Refusals.observer()
    _Refusals.unlogged += 1
    log_refusals()


def log_refusals() -> None:
    """Log how many were refused, at once and then every LOG_REFUSALS_SECONDS."""
    now = time.monotonic()
    if _Refusals.unlogged and now >= _Refusals.next_line:
        log.warning(
            "Overloaded: refused %d request(s) with 503, since more wait than can be "
            "answered in time",
            _Refusals.unlogged,
        )
        _Refusals.unlogged, _Refusals.next_line = 0, now + LOG_REFUSALS_SECONDS


@dataclass
class _Warning:
    sentence: str
    given: float


_warnings: dict[str, _Warning] = {}
_lock = threading.Lock()


def warn(name: str, sentence: str) -> bool:
    """Have readiness tell `sentence`; return whether it is the first of that name."""
    with _lock:
        is_new = name not in _warnings
        _warnings[name] = _Warning(sentence, time.monotonic())
    return is_new


def warnings() -> list[str]:
    """Return the warnings of the last WARNINGS_SECONDS."""
    since = time.monotonic() - WARNINGS_SECONDS
    with _lock:
        return [each.sentence for each in _warnings.values() if each.given > since]
