"""Connections to a replica, and the state of each."""

import math
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, create_engine, event

from careers_users.database.engine import engine_options, patience, settle
from careers_users.settings import Settings

_STATE = "careers_users.replica.state"


@dataclass
class State:
    """The state of one connection; times as `time.monotonic` counts them."""

    socket: socket.socket
    asked: float = -math.inf
    # All that was committed before this moment is there.
    complete_to: float = -math.inf


def make_engine(
    settings: Settings, seconds: int, checkout: Callable[..., None]
) -> Engine:
    """Return the engine of a replica, whose connections are made within `seconds`.

    `checkout` decides whether a connection may be used.
    """
    options = engine_options(settings)
    options["connect_args"] |= patience(seconds)
    engine = create_engine(settings.read_url, **options)
    settle(engine, settings)
    event.listen(engine, "connect", _connected)
    event.listen(engine, "checkout", checkout)
    event.listen(engine, "close", _closing)
    return engine


def state_of(record: Any) -> State:
    """Return what is known of a connection that has been made."""
    state: State = record.info[_STATE]
    return state


def hang_up(record: Any) -> None:
    """End a read that waits for an answer, whatever has become of its connection."""
    if _STATE in record.info:
        with suppress(OSError):
            state_of(record).socket.shutdown(socket.SHUT_RDWR)


def _connected(connection: Any, record: Any) -> None:
    # A second handle on the socket: with it a read that waits for a server which does
    # not answer can be ended, whatever has become of the connection.
    own = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    record.info[_STATE] = State(own)


def _closing(_connection: object, record: Any) -> None:
    if _STATE in record.info:
        state_of(record).socket.close()
