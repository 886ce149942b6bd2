"""What this process has noticed lately and its operator should know."""

import time
from dataclasses import dataclass
from threading import Lock

# How long after it was last noticed something is still told.
REMEMBERED_SECONDS = 300.0


@dataclass
class _Notice:
    sentence: str
    noticed: float


_notices: dict[str, _Notice] = {}
_lock = Lock()


def note(name: str, sentence: str) -> bool:
    """Remember `sentence` under a name; tell whether it is the first of that name."""
    with _lock:
        is_new = name not in _notices
        _notices[name] = _Notice(sentence, time.monotonic())
    return is_new


def current() -> list[str]:
    """Return what was noticed in the last minutes, for /health/ready."""
    since = time.monotonic() - REMEMBERED_SECONDS
    with _lock:
        return [each.sentence for each in _notices.values() if each.noticed > since]
