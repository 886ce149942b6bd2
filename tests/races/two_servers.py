"""Two servers on one database, and clients connected to both."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests import live_server
from tests.live_server import Client, Reply, Server


class TwoServers(NamedTuple):
    """The ports of both servers, and clients that are connected to them in turn."""

    ports: list[int]
    clients: list[Client]


@contextmanager
def two_servers(
    folder: Path, url: str, clients: int, **settings: str
) -> Iterator[TwoServers]:
    """Serve a database twice; in the end both servers stop with 0 and no traceback."""
    settings |= {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Server(folder, "--threads", "8", **settings))
            for _ in range(2)
        ]
        ports = [server.port for server in servers]
        yield TwoServers(
            ports,
            [stack.enter_context(Client(ports[n % 2])) for n in range(clients)],
        )
        assert [server.stop() for server in servers] == [0, 0]
        assert "Traceback" not in servers[0].log + servers[1].log


def outcomes(replies: list[Reply]) -> dict[Any, int]:
    """Count the replies by status, and by code if they are refusals."""
    return dict(
        Counter(
            reply.body["code"] if reply.status >= 400 else reply.status
            for reply in replies
        )
    )
