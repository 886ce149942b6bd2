"""The place of a client's tokens."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Tokens:
    """The tokens of a session. Its repr does not show them."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


class TokenStore(Protocol):
    """A place that a caller provides: a file, a keyring, a row of a database.

    The client calls it from the threads that use the client, `set()` from one at a
    time. Several clients, in several processes too, may share a place.
    """

    def get(self) -> Tokens | None:
        """Return the tokens, or None if the user is signed out."""

    def set(self, tokens: Tokens | None) -> None:
        """Store new tokens, or forget them all."""


class MemoryStore:
    """A place in memory, which ends with the process."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens

    def get(self) -> Tokens | None:
        """Return the tokens, or None if the user is signed out."""
        return self._tokens

    def set(self, tokens: Tokens | None) -> None:
        """Store new tokens, or forget them all."""
        self._tokens = tokens
