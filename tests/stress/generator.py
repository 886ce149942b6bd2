"""Sends requests at a rate, whatever becomes of them; a program of its own.

Users do not wait for each other: at a fixed rate they come, and those whom the service
is too slow for pile up. So `rate` requests a second are sent over `connections` kept
connections, each when its time has come and a connection is free; with a rate of 0
every connection sends as soon as it has its reply, which is how a peak is found.
A user who is refused is gone, as are those who come while no connection is free.

Reads its orders from stdin as JSON, writes what it saw to stdout as JSON. It shares the
machine with the server that it measures, so it does as little as possible: about 20
microseconds a request.
"""

import itertools
import json
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from typing import Any, NamedTuple


class Result(NamedTuple):
    """The results: replies by status; seconds until each that was not a 503."""

    statuses: Counter[int]
    seconds: list[float]
    gone: int  # Users who found no connection free.
    broken: int  # Connections that broke before their reply.
    took: float

    @property
    def goodput(self) -> float:
        """Replies a second that are none of 503."""
        return (self.statuses.total() - self.statuses[503]) / self.took


def run(
    port: int, requests: list[str], *, rate: float, connections: int, seconds: float
) -> Result:
    """Send `requests` in turn, over and over; see above."""
    orders = {"port": port, "requests": requests, "rate": rate}
    orders |= {"connections": connections, "seconds": seconds}
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(orders),
        text=True,
        capture_output=True,
        check=True,
        timeout=seconds + 60,
    )
    seen = json.loads(done.stdout)
    statuses = Counter({int(key): value for key, value in seen.pop("statuses").items()})
    return Result(statuses, **seen)


class _Generator:
    def __init__(self, orders: dict[str, Any]) -> None:
        self.address = ("127.0.0.1", orders["port"])
        texts = [request.encode() for request in orders["requests"]]
        self.requests = itertools.cycle(texts)
        self.rate, self.seconds = orders["rate"], orders["seconds"]
        self.most = orders["connections"]
        self.poll = select.epoll()
        self.open: dict[int, socket.socket] = {}
        self.idle: list[int] = []
        self.sent: dict[int, float] = {}
        self.parts: dict[int, bytes] = {}
        self.statuses: Counter[int] = Counter()
        self.times: list[float] = []
        self.gone = self.broken = 0

    def _connection(self) -> int | None:
        if self.idle:
            return self.idle.pop()
        if len(self.open) >= self.most:
            return None
        sock = socket.create_connection(self.address, timeout=10)
        sock.setblocking(False)
        self.open[sock.fileno()] = sock
        self.poll.register(sock.fileno(), select.EPOLLIN)
        return sock.fileno()

    def _send(self) -> bool:
        fd = self._connection()
        if fd is None:
            return False
        try:
            self.open[fd].send(next(self.requests))
        except OSError:  # It has just been closed, behind a reply.
            self._drop(fd)
            return self._send()
        self.sent[fd] = time.monotonic()
        return True

    def _drop(self, fd: int) -> None:
        self.broken += fd in self.sent
        self.sent.pop(fd, None)
        if fd in self.idle:  # The server has closed it behind a reply.
            self.idle.remove(fd)
        self.parts.pop(fd, None)
        self.open.pop(fd).close()

    def _receive(self, fd: int) -> None:
        try:
            data = self.parts.pop(fd, b"") + self.open[fd].recv(262144)
        except OSError:
            data = b""
        if not data or fd not in self.sent:
            self._drop(fd)
            return
        head, _, body = data.partition(b"\r\n\r\n")
        length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
        if not length or len(body) < int(length):
            self.parts[fd] = data
            return
        status = int(data[9:12])
        self.statuses[status] += 1
        taken = time.monotonic() - self.sent.pop(fd)
        if status != 503:
            self.times.append(round(taken, 4))
        self.idle.append(fd)
        if b"Connection: close" in head:
            self._drop(fd)

    def go(self) -> dict[str, Any]:
        begun = time.monotonic()
        due = 0
        while (elapsed := time.monotonic() - begun) < self.seconds:
            if not self.rate:
                while self._send():
                    pass
            while due < elapsed * self.rate:
                due += 1
                self.gone += not self._send()
            for fd, _ in self.poll.poll(0.001 if self.rate else 0.1):
                self._receive(fd)
        return {
            "statuses": self.statuses,
            "seconds": self.times,
            "gone": self.gone,
            "broken": self.broken,
            "took": elapsed,
        }


if __name__ == "__main__":
    json.dump(_Generator(json.load(sys.stdin)).go(), sys.stdout)
