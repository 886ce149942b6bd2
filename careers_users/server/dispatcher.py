"""Requests that wait for a thread: in lanes, and not for ever."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Collection
from enum import Enum, auto
from typing import Protocol

log = logging.getLogger(__name__)

Call = tuple[str, str]  # A method and a path.


class Lane(Enum):
    """What a request is taken for while it waits.

    VITAL decides about restarts: a thread is kept for it, and it is never refused.
    SLOW keeps a core busy with a password: a few at a time, so that a thread is left
    for the QUICK rest.
    """

    VITAL = auto()
    QUICK = auto()
    SLOW = auto()


class Lanes:
    """The lanes of an application's calls."""

    def __init__(self, vital: Collection[Call], slow: Collection[Call]) -> None:
        lanes = {**dict.fromkeys(vital, Lane.VITAL), **dict.fromkeys(slow, Lane.SLOW)}
        # The slashes around a path make no difference, as to the application.
        self._lanes = {
            (method, path.strip("/")): lane for (method, path), lane in lanes.items()
        }

    def of(self, method: str | None, path: str | None) -> Lane:
        """Return the lane of a request; None for what could not be read."""
        asked = "GET" if method == "HEAD" else method or ""
        return self._lanes.get((asked, (path or "").strip("/")), Lane.QUICK)


class Waiting(Protocol):
    """A connection whose first request waits."""

    lane: Lane
    queued: float

    def service(self) -> None:
        """Answer the request."""

    def cancel(self) -> None:
        """Give it up."""


class Queue:
    """The threads of one process, and who waits for them.

    First come, first served, but for two things: VITAL requests have a thread more,
    which nothing else can occupy, and of the SLOW ones only `slow` are worked on at
    once, so that they leave threads to the others.
    """

    def __init__(self, threads: int, slow: int, patience: float, room: int) -> None:
        """Start `threads` threads; `is_full` from `room`, or `patience` seconds, on."""
        self.patience, self._room = patience, room
        self._free_for_slow = slow
        self._waiting: dict[Lane, deque[Waiting]] = {lane: deque() for lane in Lane}
        self._stopped = False
        lock = threading.Lock()
        self._usual, self._spare = threading.Condition(lock), threading.Condition(lock)
        self._in_service: list[Waiting] = []  # Twice, if its next request has begun.
        self._finished: deque[Waiting] = deque()
        self._threads = [
            threading.Thread(target=self._work, args=lanes, daemon=True)
            for lanes in [(False,)] * threads + [(True,)]
        ]
        for thread in self._threads:
            thread.start()

    def is_full(self, lane: Lane) -> bool:
        """Whether a newcomer would wait for too long, going by who waits already."""
        if lane is Lane.VITAL:
            return False
        try:
            oldest = self._waiting[lane][0].queued
        except IndexError:
            return False
        waiting = sum(map(len, self._waiting.values()))
        return waiting >= self._room or time.monotonic() - oldest > self.patience

    def add_task(self, channel: Waiting) -> None:
        """Put a connection at the end of its lane."""
        with self._usual:
            channel.queued = time.monotonic()
            self._waiting[channel.lane].append(channel)
            self._usual.notify()
            if channel.lane is Lane.VITAL:
                self._spare.notify()

    def served(self) -> list[Waiting]:
        """Return who is being served, or has been since the last call."""
        # In this order: who is finished meanwhile has been put there before.
        served = list(self._in_service)
        while self._finished:
            served.append(self._finished.popleft())
        return served

    def _work(self, is_spare: bool) -> None:
        while channel := self._next(is_spare):
            lane = channel.lane  # The next request may have another.
            try:
                channel.service()
            except BaseException:
                log.exception("A request could not be answered at all")
                channel.cancel()  # The loop closes it at its next look.
            self._finished.append(channel)
            self._in_service.remove(channel)
            if lane is Lane.SLOW:
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
        vital, quick, slow = self._waiting.values()
        # To the usual threads it is a request like others: a flood must not take all.
        others = (quick, slow) if self._free_for_slow else (quick,)
        oldest = min((lane[0].queued for lane in others if lane), default=math.inf)
        if vital and (is_spare or vital[0].queued <= oldest):
            return vital.popleft()
        if is_spare or not (quick or (slow and self._free_for_slow)):
            return None
        if not (slow and self._free_for_slow):
            return quick.popleft()
        if quick and quick[0].queued <= slow[0].queued:
            return quick.popleft()
        self._free_for_slow -= 1
        return slow.popleft()

    def shutdown(self, timeout: float) -> None:
        """End the threads, within `timeout` seconds; give up who still waits."""
        with self._usual:
            self._stopped = True
            self._usual.notify_all()
            self._spare.notify_all()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for lane in self._waiting.values():
            while lane:
                lane.popleft().cancel()
