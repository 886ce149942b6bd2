"""Which requests may overtake which, while they wait for a thread.

By method and path alone: a request that waits has not reached the application.
"""

from collections.abc import Collection
from enum import Enum, auto

Call = tuple[str, str]  # A method and a path.


class Lane(Enum):
    """What a request is taken for while it waits.

    VITAL decides about restarts: a thread is kept for it, and it is never refused.
    SLOW keeps a core busy with a password: a few at a time, so that a thread is left
    for the QUICK rest.
    """

    VITAL = auto()
    QUICK = auto()
    SLOW = auto()


class Lanes:
    """The lanes of an application's calls."""

    def __init__(self, vital: Collection[Call], slow: Collection[Call]) -> None:
        lanes = {**dict.fromkeys(vital, Lane.VITAL), **dict.fromkeys(slow, Lane.SLOW)}
        # The slashes around a path make no difference, as to the application.
        self._lanes = {
            (method, path.strip("/")): lane for (method, path), lane in lanes.items()
        }

    def of(self, method: str | None, path: str | None) -> Lane:
        """Return the lane of a request; None for what could not be read."""
        asked = "GET" if method == "HEAD" else method or ""
        return self._lanes.get((asked, (path or "").strip("/")), Lane.QUICK)
