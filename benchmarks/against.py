"""Has a change made it slower? The working tree against another commit, in turns.

    python -m benchmarks.against HEAD~1 --rounds 9

Both are served from databases of their own with the same dataset, each filled and
migrated by its own code, and loaded in turns, forwards and backwards; a ratio is the
median of the rounds' ratios, and above 1 where the working tree is faster. With
`--idle 900` each server holds so many idle connections meanwhile.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

from benchmarks import calls, rounds
from benchmarks.contestants import PROCESSES, Contestant
from benchmarks.serving import KEY, ROOT, environment, free_port, started
from benchmarks.tidying import settle
from careers_users.cli.demo.people import Size
from tests import postgres

SIZE = Size(users=12_000, edges=60_000)
THREADS = 2
KINDS = ("postgresql", "sqlite")


@dataclass(frozen=True)
class Version:
    """A version of the service: its name here, and the command that runs it."""

    name: str
    command: tuple[str, ...]

    def run(self, url: str, *words: str) -> None:
        """Run the command on the database at `url`."""
        variables = environment(DATABASE_URL=url, CAREERS_USERS_JWT_SECRET_KEY=KEY)
        command = [*self.command, *words]
        subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)

    def fill(self, url: str) -> None:
        """Migrate a database and put the dataset into it, by this version's code."""
        self.run(url, "db", "upgrade")
        size = ("--users", str(SIZE.users), "--edges", str(SIZE.edges))
        self.run(url, "demo", *size)
        settle(url)


@contextmanager
def installed(revision: str, folder: Path) -> Iterator[Version]:
    """Install a commit into an environment of its own below `folder`."""
    tree, environment_ = folder / "tree", folder / "venv"
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "-q", "--detach", str(tree), revision], check=True)
    try:
        venv.create(environment_, with_pip=True, symlinks=True)
        pip = [str(environment_ / "bin/pip"), "install", "-q", str(tree)]
        subprocess.run(pip, check=True)
        yield Version("before", (str(environment_ / "bin/careers-users"),))
    finally:
        subprocess.run([*git, "remove", "--force", str(tree)], check=True)


@contextmanager
def served(version: Version, url: str) -> Iterator[int]:
    """Serve a database by a version's own code; give the port."""
    port = free_port()
    numbers = {"--port": port, "--processes": PROCESSES, "--threads": THREADS}
    words = [word for pair in numbers.items() for word in map(str, pair)]
    command = [*version.command, "serve", "--host", "127.0.0.1", *words]
    variables = environment(
        DATABASE_URL=url,
        CAREERS_USERS_JWT_SECRET_KEY=KEY,
        # All clients of a benchmark have one address.
        CAREERS_USERS_RATELIMIT_ENABLED="false",
        CAREERS_USERS_CHANNEL_TIMEOUT="3600",
    )
    with started(command, port, variables):
        yield port


def measure(
    versions: Sequence[Version], kind: str, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Return the ratio of each round, by call."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = []
        server = stack.enter_context(postgres.server(folder))
        for version in versions:
            url = f"sqlite:///{folder}/{version.name}.db"
            if kind == "postgresql":
                url = server.create(version.name)
            version.fill(url)
            port = stack.enter_context(served(version, url))
            found.append(Contestant(f"ours, {version.name}", port))
            for _ in range(options.idle):
                stack.enter_context(create_connection(("127.0.0.1", port)))
        reference = server.create("people")
        versions[-1].fill(reference)
        people = rounds.people_of(reference, SIZE)
        only = [call for call in calls.CALLS if options.only in call.name]
        loads = rounds.compare(
            found, people, rounds=options.rounds, seconds=options.seconds, only=only
        )
    return {call: ratios(of) for call, of in loads.items()}


def ratios(loads: dict[str, list[dict[str, float]]]) -> list[float]:
    """Return the working tree's rate by the other's, for each round."""
    now, before = loads["ours, now"], loads["ours, before"]
    return [
        round(a["per_second"] / b["per_second"], 3)
        for a, b in zip(now, before, strict=True)
        if b["per_second"]  # A machine that is too busy answers nothing at all.
    ]


def main() -> int:
    """Measure, and print a row for each call and database."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.against",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("revision", help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=1, help="of each load")
    parser.add_argument("--idle", type=int, default=0, help="idle connections")
    parser.add_argument("--only", default="", help="calls whose name holds this")
    parser.add_argument("--database", choices=KINDS, action="append")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("against: wrk is not installed (Debian: apt install wrk)")
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        before = stack.enter_context(installed(options.revision, folder))
        now = Version("now", (sys.executable, "-m", "careers_users"))
        for kind in options.database or KINDS:
            for call, found in measure([before, now], kind, options).items():
                low, high = min(found), max(found)
                middle = statistics.median(found)
                print(f"{call:24} {kind:12} {middle:.2f}  ({low:.2f} to {high:.2f})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
