"""How long each kind of read takes: one client, the service as it is served.

    python -m benchmarks.latency

Fills an SQLite and a PostgreSQL database (see dataset.py), serves each with
`careers-users serve`, asks over one kept-alive connection, prints a table and writes
the figures as JSON. Exits with 1 if a call that must be fast is not, and with 2 if
there is nothing to measure.
"""

import argparse
import itertools
import json
import os
import platform
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.dataset import add_size_options, fill
from benchmarks.latency_calls import (
    BATCH,
    CALL_SECONDS,
    Client,
    Paths,
    always,
    deep,
    middle,
    of_many,
)
from careers_users.cli.demo.people import CELEBRITY, RARE_WORD, Size
from careers_users.settings.parsers import normalise_database_url
from tests import postgres

LIMIT_MS = 50.0
LIMITED = (
    "list, first batch",
    "search, rare word",
    "profile",
    "followers of the celebrity, first batch",
    "followers of the celebrity, deep",
)
ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results") / "latency.json"
WARM_UP = 20
START_SECONDS = 60
STOP_SECONDS = 30
SERVE = "from careers_users.__main__ import main; main()"


@dataclass(frozen=True)
class Figures:
    """Times of one kind of call, in milliseconds."""

    median: float
    p95: float
    requests: int


# ------------------------------------------------------------------------------- calls


CALLS: dict[str, Paths] = {
    "list, first batch": always("/"),
    "list, in the middle": middle,
    "list, newest first": always("/?ordering=-created_at"),
    "search, rare word": always(f"/?search={RARE_WORD}"),
    "search, common word": always("/?search=software"),
    "search, two letters": always("/?search=zo"),
    "search and first name": always("/?search=software&first_name=ali"),
    "profile": of_many("/{}/"),
    "me": always("/me/"),
    "my statistics": always("/me/stats/"),
    "followers of the celebrity, first batch": always(
        f"/{CELEBRITY}/followers/?batch_size={BATCH}"
    ),
    "followers of the celebrity, deep": deep,
    "following of a user": of_many(f"/{{}}/following/?batch_size={BATCH}"),
}


def measure(client: Client, paths: Iterator[str], requests: int) -> Figures:
    """Return the times of `requests` calls, after a warm-up."""
    times: list[float] = []
    given_up = time.monotonic() + CALL_SECONDS
    for path in itertools.islice(paths, WARM_UP + requests):
        times.append(client.time(path))
        if time.monotonic() > given_up:
            break
    times = times[min(WARM_UP, len(times) // 2) :]
    p95 = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    return Figures(round(statistics.median(times), 2), round(p95, 2), len(times))


# ------------------------------------------------------------------------------ service


@contextmanager
def served(
    url: str, processes: int = 1, settings: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Serve the database at `url`, with these settings beside it; give the port."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CAREERS_USERS_")
    } | {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": secrets.token_hex(32)}
    environment |= settings or {}
    command = [sys.executable, "-c", SERVE, "serve", "--host", "127.0.0.1"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*command, "--port", "0", "--processes", str(processes)],
            cwd=ROOT,
            env=environment,
            stderr=log,
        )
        try:
            yield _port(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _port(process: subprocess.Popen[bytes], log: Any) -> int:
    """Return the port that the service says it listens on."""
    given_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < given_up:
        log.seek(0)
        _, found, rest = log.read().partition("Listening on http://127.0.0.1:")
        if found and " " in rest:
            return int(rest.partition(" ")[0])
        time.sleep(0.05)
    log.seek(0)
    raise SystemExit(f"The service does not start:\n{log.read()}")


def kind_of(url: str) -> str:
    """Return which kind of database a URL is of."""
    return "sqlite" if url.startswith("sqlite:") else "postgresql"


def version(url: str) -> str:
    """Return the version of the database at `url`."""
    if kind_of(url) == "sqlite":
        return sqlite3.sqlite_version
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        shown = connection.execute("SHOW server_version").fetchall()[0][0]
    return str(shown).partition(" ")[0]


def run(kind: str, url: str, size: Size, requests: int) -> dict[str, Any]:
    """Fill the database at `url`, serve it and return all figures."""
    print(f"{kind} {version(url)}", flush=True)
    fill(url, size)
    figures = {}
    with served(url) as port:
        client = Client(port)
        for name, paths in CALLS.items():
            figures[name] = measure(client, paths(client, size), requests)
            print(f"  {name}: {figures[name].median} ms", flush=True)
    return {"version": version(url), "ms": {n: vars(f) for n, f in figures.items()}}


# ------------------------------------------------------------------------------ results


def table(databases: dict[str, Any]) -> str:
    """Return the figures as a table in Markdown."""
    kinds = list(databases)
    lines = [
        "| ms | " + " | ".join(f"{kind}: median | p95" for kind in kinds) + " |",
        "|---|" + "--:|--:|" * len(kinds),
    ]
    for name in CALLS:
        cells = [databases[kind]["ms"][name] for kind in kinds]
        texts = (f"{cell['median']:.1f} | {cell['p95']:.1f}" for cell in cells)
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def too_slow(databases: dict[str, Any]) -> list[str]:
    """Return a sentence for each call that must be fast and is not."""
    return [
        f"{kind}: {name} takes {found['ms'][name]['median']} ms, over {LIMIT_MS}"
        for kind, found in databases.items()
        for name in LIMITED
        if found["ms"][name]["median"] > LIMIT_MS
    ]


def write(path: Path, size: Size, databases: dict[str, Any]) -> None:
    """Write everything that a reader needs to compare other figures with these."""
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "dataset": vars(size),
        "databases": databases,
    }
    path.write_text(json.dumps(result, indent=2) + "\n")


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--database",
        choices=("sqlite", "postgresql", "both"),
        default="both",
        help="what to measure (default %(default)s)",
    )
    parser.add_argument(
        "--database-url",
        help="measure this database instead; it must be empty, or hold the dataset",
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="keep the filled SQLite database in this directory, for the next time",
    )
    parser.add_argument(
        "--requests",
        type=int,
        default=200,
        help="requests of each kind (default %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=RESULTS,
        help="the file for the figures (default benchmarks/results/latency.json)",
    )
    add_size_options(parser)
    return parser.parse_args(arguments)


def main() -> int:
    """Measure what the command line says; return 1 if something is too slow."""
    options = options_of()
    size = Size(options.users, options.edges, options.seed)
    databases = {}
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data = (options.data or temporary).resolve()
        data.mkdir(parents=True, exist_ok=True)
        urls = {}
        if options.database_url:
            url = normalise_database_url(options.database_url) or ""
            urls[kind_of(url)] = url
        elif options.database != "postgresql":
            name = f"{size.users}-{size.edges}-{size.seed}.db"
            urls["sqlite"] = f"sqlite:///{data / name}"
        if not options.database_url and options.database != "sqlite":
            server = stack.enter_context(postgres.server(temporary))
            urls["postgresql"] = server.create("benchmark")
        for kind, url in urls.items():
            databases[kind] = run(kind, url, size, options.requests)
    write(options.output, size, databases)
    print(f"\n{table(databases)}")
    slow = too_slow(databases)
    print("\n".join(["", *slow]) if slow else "\nEverything that must be fast is.")
    return 1 if slow else 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (ValueError, postgres.NoPostgres) as error:
        print(f"latency: {error}", file=sys.stderr)
        raise SystemExit(2) from None
