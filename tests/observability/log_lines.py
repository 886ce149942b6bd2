"""The log as the served product writes it, caught within the tests' own process."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from careers_users.observability import logs


class Lines:
    """Return the lines of our handler, in a process that has no other handler."""

    def __init__(self, stream: io.StringIO) -> None:
        self.stream = stream

    def all(self) -> list[dict[str, Any]]:
        """Return all lines until now."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def of(self, logger: str) -> list[dict[str, Any]]:
        """Those of one logger."""
        return [line for line in self.all() if line["logger"] == logger]

    def requests(self) -> list[dict[str, Any]]:
        """Those about requests."""
        return self.of("careers_users.requests")


class OnlyOurs(list[logging.Handler]):
    """Takes our own handlers and not pytest's: in production there are no others."""

    def append(self, handler: logging.Handler) -> None:
        """Add a handler of ours."""
        if type(handler).__module__ == logs.__name__:
            super().append(handler)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Yield the log as it is written when the service is served."""
    stream = io.StringIO()
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(root, "handlers", OnlyOurs())
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("json", "INFO")
    yield Lines(stream)
    root.setLevel(level)
