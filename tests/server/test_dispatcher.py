"""Which request a thread takes next, and how the loop accepts connections."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from types import SimpleNamespace

import pytest
from flask import Flask

from careers_users.__main__ import VITAL, calls_that_hash
from careers_users.http.refusals import refuser
from careers_users.server import Application, runner
from careers_users.server.connection_counts import ConnectionCounts
from careers_users.server.dispatcher import Dispatcher, Priorities, Priority
from careers_users.server.listener import Listener
from careers_users.server.worker import ACCEPT_BATCH, SPREAD_CONNECTIONS, Worker
from tests.server.small_server import PATIENCE, options


def test_the_slow_calls_are_those_that_hash_a_password(app: Flask) -> None:
    assert calls_that_hash(app) == {
        ("POST", "/careers/users/register/"),
        ("POST", "/careers/users/login/"),
        ("POST", "/careers/users/me/password/"),
        ("POST", "/careers/users/me/confirm/"),
        ("DELETE", "/careers/users/me/"),
    }


def test_vital_paths_exist(app: Flask) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()} | {"/metrics"}
    assert {path for _, path in VITAL} <= rules


@pytest.mark.parametrize(
    ("method", "path", "priority"),
    [
        ("POST", "/careers/users/login", Priority.SLOW),
        ("POST", "//careers/users/login/", Priority.SLOW),
        ("DELETE", "careers/users/me/", Priority.SLOW),
        ("HEAD", "/health/live", Priority.VITAL),
        ("GET", "/health/ready/", Priority.VITAL),
        ("GET", "/careers/users/login/", Priority.NORMAL),
        ("GET", "/", Priority.NORMAL),
        (None, None, Priority.NORMAL),
    ],
)
def test_slashes_lead_to_no_other_priority(
    method: str | None, path: str | None, priority: Priority
) -> None:
    priorities = Priorities(
        vital=[("GET", "/health/live"), ("GET", "/health/ready")],
        slow=[
            ("POST", "/careers/users/login/"),
            ("DELETE", "/careers/users/me/"),
        ],
    )

    assert priorities.of(method, path) is priority


class Waiter:
    """A connection whose request waits since a moment."""

    def __init__(self, priority: Priority, queued: float) -> None:
        self.priority, self.queued = priority, queued

    def service(self) -> None:
        """Be served."""

    def cancel(self) -> None:
        """Be given up."""

    def turn_away(self) -> None:
        """Be refused."""


def test_a_question_for_health_does_not_pass_older_logins() -> None:
    dispatcher = Dispatcher(0, 1, PATIENCE, 100)
    vital, login = Waiter(Priority.VITAL, 2.0), Waiter(Priority.SLOW, 1.0)
    for waiter in (vital, login):
        dispatcher._waiting[waiter.priority].append(waiter)
    assert dispatcher._take(is_spare=False) is login
    other = Waiter(Priority.SLOW, 1.0)  # There is no room for it now.
    dispatcher._waiting[Priority.SLOW].append(other)
    assert dispatcher._take(is_spare=False) is vital
    assert dispatcher._take(is_spare=False) is None
    dispatcher.shutdown(PATIENCE)


@contextmanager
def worker_of(listener: socket.socket) -> Iterator[Worker]:
    """Yield the worker of a process that serves nothing, in this one."""
    made = options(connection_limit=1000)
    made.pop("settle")
    adjustments = runner._adjustments(SimpleNamespace(**made))
    count = ConnectionCounts(1)
    nothing = Application(lambda _environ, _start: [], refuser(()))
    worker = Worker(nothing, adjustments, Listener(listener), count, is_alone=True)
    try:
        yield worker
    finally:
        for channel in [*worker.active_channels.values()]:
            channel.handle_close()
        worker.dispatcher.shutdown(PATIENCE)
        worker.trigger.close()


def test_waking_up_the_loop_never_waits() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        worker_of(listener) as worker,
    ):

        def wake() -> None:
            # More often than the pipe has bytes, while the loop does something else.
            for _ in range(100_000):
                worker.pull_trigger()

        waker = Thread(target=wake, daemon=True)
        waker.start()
        waker.join(PATIENCE)
        assert not waker.is_alive()


def test_many_connections_are_accepted_several_at_a_time() -> None:
    newcomers = SPREAD_CONNECTIONS + ACCEPT_BATCH + 10
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.listen(newcomers)
        worker = stack.enter_context(worker_of(listener))
        for _ in range(newcomers):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        known = []
        while len(worker.active_channels) < newcomers:
            known.append(len(worker.active_channels))
            worker.handle_accept()
        # One by one, so that they can be shared, until there are many.
        assert known == [
            *range(SPREAD_CONNECTIONS),
            SPREAD_CONNECTIONS - 1 + ACCEPT_BATCH,
        ]
