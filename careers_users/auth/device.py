"""From where a request comes, as far as it tells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A program and an address, cut to what the columns hold; both may be empty."""

    user_agent: str
    address: str
