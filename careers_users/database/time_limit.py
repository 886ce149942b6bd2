"""A bound on the time that reads take, on a connection of the driver's."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

# Steps of SQLite's virtual machine between two looks at the clock: about a millisecond.
SQLITE_STEPS = 20_000

seconds: ContextVar[float | None] = ContextVar("seconds", default=None)


@contextmanager
def reading_within(limit: float) -> Iterator[None]:
    """Let each read of this block fail after so many seconds.

    By the error of which errors.is_timed_out is true.
    """
    token = seconds.set(limit)
    try:
        yield
    finally:
        seconds.reset(token)


@contextmanager
def enforced(driver: Any, command: Callable[[str], object]) -> Iterator[None]:
    """Enforce the limit of `reading_within`, if there is one, for one read.

    On a connection in no transaction: `driver` is the driver's, and `command` runs what
    needs no values on it.
    """
    limit = seconds.get()
    if limit is None:
        yield
    elif isinstance(driver, sqlite3.Connection):
        deadline = time.monotonic() + limit
        driver.set_progress_handler(lambda: time.monotonic() > deadline, SQLITE_STEPS)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)
    else:
        # In a transaction, since a session's setting would stay on the connection, and
        # PgBouncer would hand it to another client.
        milliseconds = int(limit * 1000)
        command(f"BEGIN; SET LOCAL statement_timeout = {milliseconds}")
        try:
            yield
        except BaseException:
            # Whatever it says of a connection that is lost, the first error is told.
            with suppress(Exception):
                command("ROLLBACK")
            raise
        command("COMMIT")
