"""Connections that reads keep for each other, instead of giving them back each time.

Going to SQLAlchemy's pool and back for each statement (its proxy objects, locks and
events) took an eighth of the processor time of a call that makes two.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection, event

# A connection that has lain idle this long is asked whether it still lives before it is
# used. Busy ones never wait that long, so the question costs nothing under load, and a
# server restarted at night goes unnoticed.
IDLE_SECONDS = 1.0


def is_open(connection: Any) -> bool:
    """Tell whether a transaction is open on a connection of the driver's."""
    if isinstance(connection, sqlite3.Connection):
        return connection.in_transaction
    return bool(connection.pgconn.transaction_status)


class Kept:
    """Up to so many of an engine's connections, the last used on top.

    To its pool they are out. The pool must have that many more than are needed at once.
    """

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine, self._most = engine, most
        self._idle: deque[tuple[PoolProxiedConnection, float]] = deque()
        # Told 1 and -1 when a connection begins and ceases to be kept for nothing.
        self.told: Callable[[int], object] | None = None
        event.listen(engine, "engine_disposed", lambda _: self.drop())

    def __len__(self) -> int:
        return len(self._idle)

    def take(self) -> PoolProxiedConnection:
        """Return a connection to work on; give it back, or invalidate it."""
        try:
            connection, since = self._idle.pop()
        except IndexError:
            return self._engine.raw_connection()
        if self.told:
            self.told(-1)
        if time.monotonic() - since < IDLE_SECONDS or self._lives(connection):
            return connection
        # It was lost while idle, and so are the others, or they will be found out.
        connection.invalidate()
        return self._engine.raw_connection()

    def give_back(self, connection: PoolProxiedConnection) -> None:
        """Keep a connection for the next who comes, or let the pool have it."""
        is_fit = connection.is_valid and not is_open(connection.dbapi_connection)
        if not is_fit or len(self._idle) >= self._most:
            connection.close()
            return
        self._idle.append((connection, time.monotonic()))
        if self.told:
            self.told(1)

    def drop(self) -> None:
        """Close those that are kept, since they are of no use any more."""
        while self._idle:
            connection, _ = self._idle.pop()
            if self.told:
                self.told(-1)
            connection.invalidate()
            connection.close()

    def _lives(self, connection: PoolProxiedConnection) -> bool:
        dialect = self._engine.dialect
        try:
            return dialect.do_ping(connection.dbapi_connection)  # type: ignore[arg-type]
        except dialect.loaded_dbapi.Error:
            return False
