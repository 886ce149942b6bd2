"""Programs of a cluster: where they are, their ports, and how to wait for them."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

NODES = ("node1", "node2")


# Seconds until something that should happen is taken not to happen.
PATIENCE = 90


PROGRAMS = {
    "etcd": "etcd-server",
    "patroni": "patroni",
    "haproxy": "haproxy",
    "psql": "postgresql-client",
}


class ClusterError(Exception):
    """The cluster does not do what it should; the message has the end of its logs."""


class Ports:
    """Free ports for everybody."""

    def __init__(self) -> None:
        with ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(8)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            numbers = [one.getsockname()[1] for one in sockets]
        self.etcd, self.peers, self.leader, self.standbys, *rest = numbers
        self.postgres = dict(zip(NODES, rest[:2], strict=True))
        self.rest = dict(zip(NODES, rest[2:], strict=True))


def program(name: str) -> str:
    """Return where a program is; ClusterError names the package if it is missing."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        raise ClusterError(f"install {PROGRAMS[name]}, which brings {name}")
    return found


def server_programs() -> str:
    """Return the directory of the newest PostgreSQL server's programs."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if not found:
        raise ClusterError("install postgresql, which brings the server")
    return str(max(found, key=lambda path: int(path.parts[4])).parent)


def until(
    condition: Callable[[], object], what: str, seconds: float = PATIENCE
) -> None:
    """Wait until a condition holds; ClusterError if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)


def signal_all(number: signal.Signals, *pids: int) -> None:
    """Send a signal to processes and all their descendants."""
    everybody = [*pids]
    for one in everybody:
        with suppress(OSError):
            children = Path(f"/proc/{one}/task/{one}/children").read_text()
            everybody += map(int, children.split())
    for one in everybody:
        with suppress(ProcessLookupError):
            os.kill(one, number)
