"""The cost of observing the service: metrics, request log and request ids together.

    python -m benchmarks.overhead

One process serves one database on two ports, with all of that and with none of it. One
client reads a profile from both in turns, and the CPU time that the process takes for
each is compared. Prints and stores the ratio; exits with 1 if watching adds 15%.
"""

import argparse
import http.client
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from careers_users.validation.limits import BASE_PATH
from tests import live_server, postgres

LIMIT = 1.15
ROUNDS = 800
# Reads from one port before it is the other's turn: some milliseconds, so that
# whatever else the machine does falls on both alike.
TURN = 10
WARM_UP = 500
RESULTS = Path(__file__).with_name("results") / "overhead.json"
# Both in one process: two processes of the same program differ by several percent in
# how fast they are, from where their memory happens to lie.
SERVE = """
from threading import Thread
from unittest.mock import patch

from waitress import create_server

from careers_users import create_app
from careers_users.observability import logs
from careers_users.settings import Settings

settings = Settings.from_env()
logs.configure(settings.log_format, settings.log_level)
watched = create_app(settings)


def unwatched(inner, _at_begin, at_reply, _at_end):
    def application(environ, start):
        def start_with_headers(status, headers, error=None):
            for replier in at_reply:
                replier(environ, int(status[:3]), headers)
            return start(status, headers, error)

        return inner(environ, start_with_headers)

    return application


patch("careers_users.http.context._watched", unwatched).start()
for name in ("request_log", "metrics"):
    patch(f"careers_users.observability.{name}.init_app").start()
for app in (create_app(settings), watched):
    server = create_server(app, map={}, host="127.0.0.1", port=0, threads=4)
    Thread(target=server.run).start()
    print("port", server.effective_port, flush=True)
"""
ALICE = {"username": "alice", "email": "alice@example.com", **live_server.PASSWORDS}


@dataclass(frozen=True)
class Figures:
    """CPU time of a profile read in microseconds, and the one divided by the other."""

    unwatched: float
    watched: float
    ratio: float


class Reader:
    """One connection to a port, and the clock of the process's time on processors."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        word, _, port = process.stdout.readline().partition(" ")
        if word != "port":
            raise SystemExit("The service does not start; see above.")
        self._tasks = Path(f"/proc/{process.pid}/task")
        self._connection = http.client.HTTPConnection("127.0.0.1", int(port), 60)
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
    """Serve a new database and compare, anonymous and signed in."""
    settings = {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY}
    migrated = live_server.run(folder, "db", "upgrade", **settings)
    if migrated.returncode:
        raise SystemExit(migrated.stderr)
    settings |= {"CAREERS_USERS_METRICS": "true", "CAREERS_USERS_LOG_FORMAT": "json"}
    log = folder / "log"
    with serving(settings, log) as process:
        unwatched, watched = Reader(process), Reader(process)
        tokens = json.loads(unwatched.ask("/register/", ALICE))
        found = {"anonymous": compare(unwatched, watched, rounds)}
        for reader in (unwatched, watched):
            reader.headers["Authorization"] = f"Bearer {tokens['access']}"
        found["signed in"] = compare(unwatched, watched, rounds)
    if log.read_text("utf-8").count('"status":200') != 2 * (rounds * TURN + WARM_UP):
        raise SystemExit("The log has not been written: nothing was measured.")
    return found


@contextmanager
def serving(settings: dict[str, str], log: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run the process that serves, its log going to a file."""
    command = [sys.executable, "-c", SERVE]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True}
    with log.open("w") as stderr:
        options |= {"stderr": stderr, "env": live_server.environment(settings)}
        with subprocess.Popen(command, **options) as process:
            try:
                yield process
            finally:
                process.kill()


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
