"""The event loop: waits until something happens to one of many sockets.

Waitress's own loop asks every socket, every time, which events it waits for: beside 900
idle connections it keeps 0.15 of its rate. This one remembers, and asks again only the
sockets to which something has happened.
"""

import select
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from waitress import wasyncore  # type: ignore[import-untyped]

LOOK_SECONDS = 1.0  # How often all are asked: some of them wait for a time.


class EventLoop:
    """The sockets of one process, in waitress's map: file descriptor to dispatcher."""

    def __init__(self, sockets: dict[int, Any]) -> None:
        self._sockets = sockets
        # Elsewhere than on Linux it is waitress's own loop.
        self._poll = select.epoll() if hasattr(select, "epoll") else None
        self._armed: dict[int, tuple[Any, int]] = {}
        self._next_look = 0.0

    def turn(self, timeout: float, changed: Iterable[Any]) -> None:
        """Dispatch the events of the next `timeout` seconds, or the first of them.

        `changed` are the dispatchers that may wait for other events than they did.
        """
        if self._poll is None:
            wasyncore.loop(timeout, use_poll=True, map=self._sockets, count=1)
            return
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            changed = list(self._sockets.values())
            self._forget_closed()
        for each in changed:
            self._arm(self._poll, each)
        for fd, events in self._poll.poll(timeout):
            self._dispatch(self._poll, fd, events)

    def _dispatch(self, poll: "select.epoll", fd: int, events: int) -> None:
        each, armed = self._sockets.get(fd), self._armed.get(fd)
        if each is None or armed is None or armed[0] is not each:
            self._disarm(poll, fd)
            return  # Closed since; a new socket of that number is not armed yet.
        if wishes := _wishes(each):
            wasyncore.readwrite(each, events & (wishes | _ALWAYS))
            self._arm(poll, each)
        else:  # A worker thread owns this channel; ignore events until it is done.
            self._disarm(poll, fd)

    def _arm(self, poll: "select.epoll", each: Any) -> None:
        fd = each._fileno
        if fd is None or self._sockets.get(fd) is not each:
            return
        wishes, (known, armed) = _wishes(each), self._armed.get(fd, (None, 0))
        if known is not each:
            armed = 0
        # While a request is served, which is short, input may be reported anyway.
        if wishes == armed or (not wishes and armed == _READ):
            return
        if not wishes:
            self._disarm(poll, fd)
            return
        with suppress(OSError):  # A thread has closed it just now.
            if armed:
                poll.modify(fd, wishes)
            else:
                poll.register(fd, wishes)
            self._armed[fd] = (each, wishes)

    def _disarm(self, poll: "select.epoll", fd: int) -> None:
        self._armed.pop(fd, None)
        with suppress(OSError):
            poll.unregister(fd)

    def forget(self, each: Any) -> None:
        """Stop watching a socket that other processes have too: closing won't do it."""
        if self._poll is not None and each._fileno is not None:
            self._disarm(self._poll, each._fileno)

    def _forget_closed(self) -> None:
        armed = self._armed.items()
        self._armed = {fd: a for fd, a in armed if self._sockets.get(fd) is a[0]}


# Not EPOLLPRI: urgent data (RFC 6093) is never read, and would be reported for ever.
_READ = getattr(select, "EPOLLIN", 0)
_WRITE = getattr(select, "EPOLLOUT", 0)
# Reported whether or not they are asked for.
_ALWAYS = getattr(select, "EPOLLHUP", 0) | getattr(select, "EPOLLERR", 0)


def _wishes(each: Any) -> int:
    wishes = _READ if each.readable() else 0
    return wishes | (_WRITE if each.writable() and not each.accepting else 0)
