"""Which requests may overtake which, while they wait for a thread.

By method and path alone: whoever waits has not reached the application.
"""

from enum import Enum, auto


class Lane(Enum):
    """What a request is taken for while it waits.

    VITAL decides about restarts: a thread is kept for it, and it is never refused.
    SLOW keeps a core busy with a password: a few at a time, so that a thread is left
    for the QUICK rest.
    """

    VITAL = auto()
    QUICK = auto()
    SLOW = auto()


LANES = {
    ("GET", "/health/live"): Lane.VITAL,
    ("GET", "/health/ready"): Lane.VITAL,
    ("GET", "/metrics"): Lane.VITAL,
    ("POST", "/careers/users/register/"): Lane.SLOW,
    ("POST", "/careers/users/login/"): Lane.SLOW,
    ("POST", "/careers/users/me/password/"): Lane.SLOW,
    ("DELETE", "/careers/users/me/"): Lane.SLOW,
}


def lane_of(method: str | None, path: str | None) -> Lane:
    """Return the lane of a request; None for what could not be read.

    The slashes around a path make no difference, as they make none to the application.
    """
    plain = "/" + (path or "").strip("/")
    asked = "GET" if method == "HEAD" else method or ""
    return LANES.get((asked, plain)) or LANES.get((asked, f"{plain}/"), Lane.QUICK)
