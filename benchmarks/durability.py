"""The cost of SQLite's `synchronous = FULL` beside `NORMAL`: writes of the service.

`python -m benchmarks.durability [DIRECTORY]`, on the disk of that directory; a minute.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests import live_server
from tests.stress.load import Caller, Load, Outcome, Work

CLIENTS = 8
ROUNDS = 10
SECONDS = 2.0
# The service as it is, but for one word: there is no setting for it.
SERVE = """
from sqlalchemy import event
from sqlalchemy.pool import Pool
from careers_users.__main__ import main

@event.listens_for(Pool, "checkout")
def checkout(connection, record, proxy):
    connection.execute("PRAGMA synchronous = {level}")

main()
"""


@contextlib.contextmanager
def serving(folder: Path, level: str) -> Iterator[tuple[int, list[str]]]:
    """Serve a new SQLite database at that level; give the port and clients' tokens."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'careers_users.db'}"
    live_server.run(folder, "db", "upgrade", DATABASE_URL=url).check_returncode()
    words = [sys.executable, "-c", SERVE.format(level=level), "serve"]
    settings = {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY}
    server = live_server.Server(folder, "--processes", "2", command=words, **settings)
    with server, Caller(server.port) as caller:
        people = [caller.register(f"client_{n}") for n in range(CLIENTS)]
        yield server.port, [person.body["access"] for person in people]


def writer(token: str) -> Work:
    """Return work that changes a profile again and again: the cheapest write."""

    def write(caller: Caller) -> Iterator[Outcome]:
        for bio in ("This.", "That."):
            yield caller.call("PATCH", "me/", {"bio": bio}, token)

    return write


def writes_per_second(port: int, tokens: list[str]) -> float:
    """Return how many writes a second all clients together get done."""
    with Load(port, *map(writer, tokens)) as load:
        load.wait_for(CLIENTS)
        before, begun = load.statuses()[200], time.monotonic()
        time.sleep(SECONDS)
        done, taken = load.statuses()[200] - before, time.monotonic() - begun
    assert set(load.statuses()) == {200}, load.statuses()
    return done / taken


def main() -> None:
    """Load both levels in turn; print the median of each and of the rounds' ratios."""
    place = sys.argv[1] if len(sys.argv) > 1 else None
    with (
        tempfile.TemporaryDirectory(dir=place) as name,
        serving(Path(name) / "full", "FULL") as full,
        serving(Path(name) / "normal", "NORMAL") as normal,
    ):
        rounds = [
            (writes_per_second(*full), writes_per_second(*normal))
            for _ in range(ROUNDS)
        ]
    fulls, normals = zip(*rounds, strict=True)
    ratio = statistics.median(one / other for one, other in rounds)
    print(
        f"FULL {statistics.median(fulls):.0f} writes/s,"
        f" NORMAL {statistics.median(normals):.0f} writes/s, ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
