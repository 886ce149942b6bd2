"""What a check has found."""

from dataclasses import dataclass

OK, WARNING, ERROR = "ok", "warning", "error"


@dataclass(frozen=True)
class Finding:
    """What was looked at, in which state it is, and what to do about it."""

    name: str
    state: str
    message: str
    advice: str = ""
