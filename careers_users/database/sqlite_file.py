"""The file of a SQLite database, which is its owner's alone."""

import os
from contextlib import suppress


def make_private(path: str | None) -> None:
    """Make an empty SQLite database for its owner alone, unless it is there.

    SQLite would let everybody read it, and gives its other files the same mode. A file
    that is there is not opened: closing it would drop the locks that this process's
    other connections hold on it (sqlite.org/howtocorrupt.html, section 2.2).
    """
    if path and path != ":memory:":
        with suppress(OSError):  # It is there, or SQLite says better what is wrong.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
