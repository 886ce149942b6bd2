"""The result of a check."""

from dataclasses import dataclass

OK, WARNING, ERROR = "ok", "warning", "error"


@dataclass(frozen=True)
class Finding:
    """A thing that was looked at, its state, and what to do about it."""

    name: str
    state: str
    message: str
    advice: str = ""
