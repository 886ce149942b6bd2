"""One run for all that is compared; writes results/comparison.json and the document.

    python -m benchmarks

Serves the service on PostgreSQL and SQLite, a bare Flask route and three peers, loads
each with wrk in turn, times the statements of reads on small and large data, and writes
docs/performance.md with its charts. Needs wrk, and takes about a quarter of an hour
besides what filling the databases takes; `--data` keeps those for the next time.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import document, footprint, growth, machine, rounds
from benchmarks.contestants import everybody, prepare_peers
from benchmarks.dataset import add_size_options, fill
from benchmarks.tidying import settle, tidy
from careers_users.cli.demo.people import Size
from tests import postgres

RESULTS = Path(__file__).with_name("results") / "comparison.json"
# Edges grow slower than users, whose celebrity has 50,000 followers from 100,000 on.
GROWTH = (Size(10_000, 100_000), Size(100_000, 1_000_000), Size(1_000_000, 3_000_000))


@contextmanager
def databases(
    options: argparse.Namespace, directory: Path
) -> Iterator[dict[str, dict[Size, str]]]:
    """Give the URLs of filled databases, by kind and size."""
    sizes = {Size(options.users, options.edges, options.seed)}
    if not options.no_growth:
        sizes |= set(GROWTH)
    urls: dict[str, dict[Size, str]] = {"sqlite": {}, "postgresql": {}}
    with ExitStack() as stack:
        server = options.server
        if server is None:
            own = stack.enter_context(postgres.server(directory))
            own.configure(shared_buffers="512MB")
        for size in sorted(sizes, key=lambda size: size.users):
            name = f"benchmark_{size.users}_{size.edges}_{size.seed}"
            urls["sqlite"][size] = f"sqlite:///{directory / name}.db"
            urls["postgresql"][size] = (
                f"{server}/{name}" if server else own.create(name)
            )
            for kind in urls:
                print(f"{kind}, {size.users:,} users", flush=True)
                fill(urls[kind][size], size)
                settle(urls[kind][size])
        yield urls


def compare(
    urls: dict[str, str], size: Size, options: argparse.Namespace, directory: Path
) -> dict[str, Any]:
    """Return what the contestants bore, and what a served process needs."""
    tidy(urls.values(), size)
    peers = None
    if not options.no_peers:
        peers = prepare_peers(directory / "peers", urls["postgresql"])
    people = rounds.people_of(urls["postgresql"], size)
    try:
        needs = footprint.measure(urls["postgresql"], people)
        with everybody(urls, peers) as found:
            loads = rounds.compare(
                found, people, rounds=options.rounds, seconds=options.seconds
            )
    finally:
        tidy(urls.values(), size)
    return {"loads": loads, "footprint": needs}


def grow(urls: dict[str, dict[Size, str]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the milliseconds of each call's statements, by kind and users."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for kind, of_kind in urls.items():
        figures[kind] = {}
        for size in GROWTH:
            print(f"  {kind}, {size.users:,} users", flush=True)
            figures[kind][str(size.users)] = growth.measure(of_kind[size], size)
    return figures


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="keep databases and peers here")
    parser.add_argument(
        "--server",
        help="postgresql://user:password@host:port of a server with databases named "
        "benchmark_USERS_EDGES_SEED, empty or filled (default: one for this run)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="(default %(default)s)")
    parser.add_argument(
        "--seconds", type=int, default=2, help="of each load (default %(default)s)"
    )
    parser.add_argument("--no-growth", action="store_true", help="leave it out")
    parser.add_argument(
        "--only-growth", action="store_true", help="keep the rest of the last run"
    )
    parser.add_argument("--no-peers", action="store_true", help="leave them out")
    parser.add_argument(
        "--output", type=Path, default=RESULTS, help="the figures (default %(default)s)"
    )
    add_size_options(parser)
    return parser.parse_args(arguments)


def main() -> int:
    """Measure, write the figures and the document."""
    options = options_of()
    result: dict[str, Any]
    size = Size(options.users, options.edges, options.seed)
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory = (options.data or temporary).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        urls = stack.enter_context(databases(options, directory))
        if options.only_growth:
            result = json.loads(options.output.read_text())
            moment = datetime.now(UTC).isoformat(" ", "minutes")
            write(result | {"growth": grow(urls), "growth date": moment}, options)
            return 0
        result = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine.describe(urls["postgresql"][size]),
            "python": platform.python_version(),
            "dataset": vars(size),
            "rounds": options.rounds,
            "seconds": options.seconds,
        }
        if not options.no_growth:
            result["growth"] = grow(urls)
        chosen = {kind: of_kind[size] for kind, of_kind in urls.items()}
        result |= compare(chosen, size, options, directory)
    write(result, options)
    return 0


def write(result: dict[str, Any], options: argparse.Namespace) -> None:
    """Write the figures and the document."""
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    document.write(result)


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (ValueError, postgres.NoPostgres) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        raise SystemExit(2) from None
