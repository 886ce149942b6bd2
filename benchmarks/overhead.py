"""What it costs to watch the service: metrics, request log and request ids together.

    python -m benchmarks.overhead

Serves one database twice, with all of that and with none of it, reads one profile from
both in turns, and compares the CPU time of the two server processes. Prints and stores
the ratio; exits with 1 if watching adds 10% or more.
"""

import argparse
import http.client
import json
import platform
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from careers_users.http import BASE_PATH
from tests import postgres, served

LIMIT = 1.10
ROUNDS = 60
# Reads from one server before it is the other's turn: a quarter of a second, so that
# whatever else the machine does falls on both alike.
TURN = 300
WARM_UP = 500
RESULTS = Path(__file__).with_name("results") / "overhead.json"
WATCHED = "from careers_users.commands import main; main()"
# The same, without the three that are measured here.
UNWATCHED = f"""
from unittest.mock import patch
import careers_users
for name in ("request_context", "request_log", "metrics"):
    patch(f"careers_users.{{name}}.init_app").start()
{WATCHED}
"""
ALICE = {"username": "alice", "email": "alice@example.com", **served.PASSWORDS}


@dataclass(frozen=True)
class Figures:
    """CPU time of a profile read in microseconds, and the one divided by the other."""

    unwatched: float
    watched: float
    ratio: float


class Reader:
    """One connection to a server, and the clock of that server's processor time."""

    def __init__(self, server: served.Server) -> None:
        self._tasks = Path(f"/proc/{server.pid}/task")
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, 60)
        self.headers = {"Content-Type": "application/json"}

    def ask(self, path: str, body: object = None) -> bytes:
        """Return the reply to a call; any but a good one ends the benchmark."""
        data = None if body is None else json.dumps(body)
        method = "GET" if data is None else "POST"
        self._connection.request(method, BASE_PATH + path, data, self.headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise SystemExit(f"{path}: {response.status} {content[:200]!r}")
        return content

    def cost(self, times: int) -> float:
        """Return the server's CPU time for one profile read, in microseconds."""
        before = self._cpu_ns()
        for _ in range(times):
            self.ask("/alice/")
        return (self._cpu_ns() - before) / times / 1000

    def _cpu_ns(self) -> int:
        # Nanoseconds on a processor (Linux, Documentation/scheduler/sched-stats.rst).
        found = [task / "schedstat" for task in self._tasks.iterdir()]
        return sum(int(path.read_text().split()[0]) for path in found)


def compare(unwatched: Reader, watched: Reader, rounds: int) -> Figures:
    """Read in turns, each server first as often as the other."""
    readers = (unwatched, watched)
    costs: tuple[list[float], list[float]] = ([], [])
    for reader in readers:
        reader.cost(WARM_UP)
    for number in range(rounds):
        for turn in (number % 2, 1 - number % 2):
            costs[turn].append(readers[turn].cost(TURN))
    ratios = [more / less for less, more in zip(*costs, strict=True)]
    less, more = map(statistics.median, costs)
    ratio = statistics.median(ratios)
    return Figures(round(less, 1), round(more, 1), round(ratio, 4))


def measure(url: str, folder: Path, rounds: int) -> dict[str, Figures]:
    """Serve a new database twice and compare, anonymous and signed in."""
    settings = {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": served.KEY}
    migrated = served.run(folder, "db", "upgrade", **settings)
    if migrated.returncode:
        raise SystemExit(migrated.stderr)
    settings |= {"CAREERS_USERS_METRICS": "true", "CAREERS_USERS_LOG_FORMAT": "json"}
    with ExitStack() as stack:
        readers = []
        for code in (UNWATCHED, WATCHED):
            command = (sys.executable, "-c", code, "serve")
            server = served.Server(folder, command=command, **settings)
            readers.append(Reader(stack.enter_context(server)))
        tokens = json.loads(readers[0].ask("/register/", ALICE))
        found = {"anonymous": compare(readers[0], readers[1], rounds)}
        for reader in readers:
            reader.headers["Authorization"] = f"Bearer {tokens['access']}"
        found["signed in"] = compare(readers[0], readers[1], rounds)
        if server.log.count('"status":200') < 2 * rounds * TURN:
            raise SystemExit("The log has not been written: nothing was measured.")
    return found


def options() -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> int:
    """Measure, print, write; return 0 if the overhead is below the limit."""
    given = options()
    found: dict[str, Figures] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for kind in given.database or ("sqlite", "postgresql"):
            url = f"sqlite:///{folder / 'users.db'}"
            if kind == "postgresql":
                server = stack.enter_context(postgres.server(folder))
                url = server.create("overhead")
            for who, figures in measure(url, folder, given.rounds).items():
                found[f"{kind}, {who}"] = figures
    print(f"{'CPU time of a profile read':26}  unwatched  watched  ratio")
    for name, row in found.items():
        print(f"{name:26} {row.unwatched:7.0f} us {row.watched:5.0f} us  {row.ratio}")
    write(given.output, found, given.rounds)
    return int(max(row.ratio for row in found.values()) >= LIMIT)


def write(path: Path, found: dict[str, Figures], rounds: int) -> None:
    """Store the figures with what one must know to compare them."""
    path.parent.mkdir(exist_ok=True)
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.system(),
        "rounds": rounds,
        "reads_a_turn": TURN,
        "unit": "microseconds of the server's CPU time; ratio: median of all rounds",
        "limit": LIMIT,
        "figures": {name: vars(row) for name, row in found.items()},
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
