"""Has it become slower? Under two minutes; a report, not a judgement.

    python -m benchmarks.quick            compare with the committed figures
    python -m benchmarks.quick --write    make today's the figures to compare with

Requests/s relative to the bare route on a small dataset, each database. A ratio of one
run differs from the next by a tenth on a quiet machine and more on a busy one, so the
exit code is 0 whatever comes out; it is 2 if nothing could be measured.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks import calls, figures, rounds
from benchmarks.contestants import Contestant, bare, ours, serve_bare
from benchmarks.dataset import fill
from benchmarks.serving import served
from benchmarks.tidying import settle
from careers_users.cli.demo.people import Size
from tests import postgres

RESULTS = Path(__file__).with_name("results") / "quick.json"
SIZE = Size(users=12_000, edges=60_000)
THREADS = 1
ROUNDS, SECONDS = 2, 1
NOTICED = 0.15  # Differences below this are the machine's.
KINDS = ("postgresql", "sqlite")
# argon2 is what a login measures, and it has no ratio to the bare route.
MEASURED = [call for call in calls.CALLS if call.name != "login"]

_Ratios = dict[str, dict[str, float]]


def measure() -> _Ratios:
    """Return the ratios to the bare route, by call and database."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres.server(directory))
        urls = {
            "postgresql": server.create("quick"),
            "sqlite": f"sqlite:///{directory}/quick.db",
        }
        found = [stack.enter_context(serve_bare(THREADS))]
        for kind, url in urls.items():
            fill(url, SIZE)
            settle(url)
            port = stack.enter_context(served(url, processes=2, threads=THREADS))
            found.append(Contestant(ours(kind, THREADS), port))
        people = rounds.people_of(urls["postgresql"], SIZE)
        loads = rounds.compare(
            found, people, rounds=ROUNDS, seconds=SECONDS, only=MEASURED
        )
    return {
        name: {
            kind: round(figures.ratio(of, ours(kind, THREADS), bare(THREADS)) or 0, 3)
            for kind in KINDS
        }
        for name, of in loads.items()
    }


def report(before: Mapping[str, Mapping[str, float]], now: _Ratios) -> str:
    """Return a table of the committed ratios, today's, and what is worth a look."""
    lines = [f"{'of a bare route':24} {'':12} {'before':>8} {'now':>8}"]
    for name, ratios in now.items():
        for kind, value in ratios.items():
            old = before.get(name, {}).get(kind)
            shown = "-" if old is None else f"{old:.2f}"
            change = 0.0 if not old else value / old - 1
            note = f"  {change:+.0%}" if abs(change) >= NOTICED else ""
            lines.append(f"{name:24} {kind:12} {shown:>8} {value:8.2f}{note}")
    return "\n".join(lines)


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quick",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--write", action="store_true", help="commit to these figures")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("quick: wrk is not installed (Debian: apt install wrk)", file=sys.stderr)
        return 2
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    now = measure()
    print(report(before, now))
    if options.write:
        RESULTS.write_text(json.dumps(now, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except postgres.NoPostgres as error:
        print(f"quick: {error}", file=sys.stderr)
        raise SystemExit(2) from None
