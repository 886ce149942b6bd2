"""Requests that wait for a thread: by priority, and for a limited time."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Collection
from enum import Enum, auto
from typing import Protocol

log = logging.getLogger(__name__)

# Further requests are refused while the oldest waits for longer than the limit; the
# waiting one itself has this much more, since a thread may be free in a moment.
EXPIRY_GRACE_SECONDS = 0.5

Call = tuple[str, str]  # A method and a path.


class Priority(Enum):
    """How a request is treated while it waits.

    VITAL decides about restarts: it has a thread of its own and is never refused.
    SLOW keeps a core busy with a password: a few at a time, so that a thread is left
    for NORMAL requests.
    """

    VITAL = auto()
    NORMAL = auto()
    SLOW = auto()


class Priorities:
    """The priorities of an application's calls."""

    def __init__(self, vital: Collection[Call], slow: Collection[Call]) -> None:
        known = {
            **dict.fromkeys(vital, Priority.VITAL),
            **dict.fromkeys(slow, Priority.SLOW),
        }
        # The slashes around a path make no difference to the application.
        self._known = {
            (method, path.strip("/")): each for (method, path), each in known.items()
        }

    def of(self, method: str | None, path: str | None) -> Priority:
        """Return the priority of a request; None stands for what can't be read."""
        asked = "GET" if method == "HEAD" else method or ""
        return self._known.get((asked, (path or "").strip("/")), Priority.NORMAL)


class Waiting(Protocol):
    """A connection whose first request waits."""

    priority: Priority
    queued: float

    def service(self) -> None:
        """Answer the request."""

    def cancel(self) -> None:
        """Give the request up."""

    def turn_away(self) -> None:
        """Refuse the request."""


class Dispatcher:
    """The threads of one process, and the requests that wait for them.

    First come, first served, with two exceptions: VITAL requests have a thread more,
    which nothing else can occupy, and only `slow` of the SLOW ones are worked on at
    once, so that they leave threads to the others.
    """

    def __init__(self, threads: int, slow: int, patience: float, room: int) -> None:
        """Start `threads` threads; requests wait for up to `patience` seconds.

        `is_full` holds once `room` requests wait, or one for longer than that.
        """
        self._patience, self._room = patience, room
        self._free_for_slow = slow
        self._waiting: dict[Priority, deque[Waiting]] = {p: deque() for p in Priority}
        self._stopped = False
        lock = threading.Lock()
        self._usual, self._spare = threading.Condition(lock), threading.Condition(lock)
        self._in_service: list[Waiting] = []  # Twice, if its next request has begun.
        self._finished: deque[Waiting] = deque()
        self._threads = [
            threading.Thread(target=self._work, args=arguments, daemon=True)
            for arguments in [(False,)] * threads + [(True,)]
        ]
        for thread in self._threads:
            thread.start()

    def is_full(self, priority: Priority) -> bool:
        """Return whether a new request would wait too long, judged by the oldest."""
        if priority is Priority.VITAL:
            return False
        try:
            oldest = self._waiting[priority][0].queued
        except IndexError:
            return False
        waiting = sum(map(len, self._waiting.values()))
        return waiting >= self._room or time.monotonic() - oldest > self._patience

    def add_task(self, channel: Waiting) -> None:
        """Put a connection at the end of the queue of its priority."""
        with self._usual:
            channel.queued = time.monotonic()
            self._waiting[channel.priority].append(channel)
            self._usual.notify()
            if channel.priority is Priority.VITAL:
                self._spare.notify()

    def has_waiting(self) -> bool:
        """Return whether any request waits."""
        return any(self._waiting.values())

    def take_expired(self) -> list[Waiting]:
        """Remove and return the connections whose request has waited for too long."""
        late = time.monotonic() - self._patience - EXPIRY_GRACE_SECONDS
        expired = []
        with self._usual:
            for priority in (Priority.NORMAL, Priority.SLOW):
                queue = self._waiting[priority]
                while queue and queue[0].queued < late:
                    expired.append(queue.popleft())
        return expired

    def served(self) -> list[Waiting]:
        """Return the connections in service, or that have been since the last call."""
        # In this order: what is finished meanwhile has been put there before.
        served = list(self._in_service)
        while self._finished:
            served.append(self._finished.popleft())
        return served

    def _work(self, is_spare: bool) -> None:
        while channel := self._next(is_spare):
            priority = channel.priority  # The next request may have another.
            try:
                channel.service()
            except BaseException:
                log.exception("A request could not be answered at all")
                channel.cancel()  # The loop closes it at its next look.
            self._finished.append(channel)
            self._in_service.remove(channel)
            if priority is Priority.SLOW:
                with self._usual:
                    self._free_for_slow += 1
                    self._usual.notify()

    def _next(self, is_spare: bool) -> Waiting | None:
        with self._usual:
            while not self._stopped:
                if channel := self._take(is_spare):
                    self._in_service.append(channel)
                    return channel
                (self._spare if is_spare else self._usual).wait()
            return None

    def _take(self, is_spare: bool) -> Waiting | None:
        vital, normal, slow = self._waiting.values()
        # To the usual threads VITAL ones are requests like others: many of them must
        # not take all threads.
        others = (normal, slow) if self._free_for_slow else (normal,)
        oldest = min((each[0].queued for each in others if each), default=math.inf)
        if vital and (is_spare or vital[0].queued <= oldest):
            return vital.popleft()
        if is_spare or oldest == math.inf:
            return None
        if normal and normal[0].queued == oldest:
            return normal.popleft()
        self._free_for_slow -= 1
        return slow.popleft()

    def shutdown(self, timeout: float) -> None:
        """End the threads, within `timeout` seconds; cancel the requests that wait."""
        with self._usual:
            self._stopped = True
            self._usual.notify_all()
            self._spare.notify_all()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for queue in self._waiting.values():
            while queue:
                queue.popleft().cancel()
