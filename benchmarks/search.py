"""The time of searches and of places deep in the list, as their users wait for them.

    python -m benchmarks.search --users 100000

Fills a database of each kind with the dataset of `careers-users demo`, asks each
question as the service asks it (prepared, with one connection), and prints a table of
the best times: what a neighbour on the machine does can only add to one. The first
SETTLING executions do not count: PostgreSQL plans a statement for its values five
times, and may then keep a plan for any values.
"""

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.dataset import fill
from careers_users import create_app
from careers_users.auth.identity import ANONYMOUS
from careers_users.cli.demo.people import CELEBRITY, RARE_WORD, Size
from careers_users.extensions import db
from careers_users.profile.directory import batch
from careers_users.profile.schemas import DirectoryQuerySchema
from careers_users.profile.search_places import SearchTimedOut
from careers_users.profile.visibility import Caller
from careers_users.settings import Settings
from careers_users.settings.parsers import normalise_database_url
from tests import postgres

SETTLING = 6
SAMPLES = 15
# The demand on each at 1,000,000 users, in milliseconds; the questions of one row.
ROWS: list[tuple[str, int, list[dict[str, str]]]] = [
    (
        "full name of two common words",
        5,
        [{"search": "Emma Lindberg"}, {"search": "garcia jose"}],
    ),
    (
        "rare word, one user, no match",
        5,
        [{"search": RARE_WORD}, {"search": CELEBRITY}, {"search": "xyzzyx"}],
    ),
    ("1% of users", 30, [{"search": "ller"}]),
    (
        "three words, one rare, one of 13%",
        15,
        [{"search": f"software amateur {RARE_WORD}"}],
    ),
    (
        "two letters (`zo`, `er ol`, `software zo`)",
        100,
        [{"search": "zo"}, {"search": "er ol"}, {"search": "software zo"}],
    ),
    ("one letter (`e`, `s`, `z`)", 250, [{"search": letter} for letter in "esz"]),
    ("13% of users", 250, [{"search": "software"}]),
    ("a word that half of all users have (`ing`)", 600, [{"search": "ing"}]),
    ("`first_name=a&last_name=b`", 600, [{"first_name": "a", "last_name": "b"}]),
]


def questions(users: int) -> list[tuple[str, int, list[dict[str, str]]]]:
    """Return all rows; two of them depend on how many users there are."""
    tenth, half = str(users // 100), str(users // 20)
    return [
        *ROWS,
        ("list by username, a tenth down", 10, [{"batch_number": tenth}]),
        ("list by username, half down", 50, [{"batch_number": half}]),
    ]


def milliseconds(query: dict[str, str]) -> tuple[float, int]:
    """Return the best time of a question, and how many users it finds."""
    loaded: dict[str, Any] = DirectoryQuerySchema().load(query)
    times = []
    for _ in range(SETTLING + SAMPLES):
        started = time.perf_counter()
        try:
            _, total = batch(Caller(ANONYMOUS), loaded)
        except SearchTimedOut:
            return float("inf"), -1
        times.append((time.perf_counter() - started) * 1000)
    return min(times[SETTLING:]), total


def measure(url: str, size: Size) -> dict[str, tuple[float, int]]:
    """Return the slowest time of each row's questions, and how many it finds."""
    fill(url, size)
    url = normalise_database_url(url) or ""
    app = create_app(Settings(database_url=url, jwt_secret_key="k" * 32))
    found = {}
    with app.app_context():
        for name, _, queries in questions(size.users):
            found[name] = max(map(milliseconds, queries))
        db.engine.dispose()
    return found


def main() -> None:
    """Measure both databases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--postgresql", help="a database with the dataset, or empty")
    options = parser.parse_args()
    users = options.users
    size = Size(users=users, edges=users // 5)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = options.postgresql
        if url is None:
            server = stack.enter_context(postgres.server(folder / "postgresql"))
            # VACUUM marks only pages whose commits are flushed, as servers do.
            server.configure(shared_buffers="512MB", synchronous_commit="on")
            url = server.create("search")
        on_postgresql = measure(url, size)
        on_sqlite = measure(f"sqlite:///{folder / 'search.db'}", size)
    print(f"| {users:,} users | finds | PostgreSQL | SQLite | to hold at 1,000,000 |")
    print("|---|--:|--:|--:|--:|")
    for name, limit, _ in questions(users):
        (one, total), (other, _) = on_postgresql[name], on_sqlite[name]
        print(f"| {name} | {total:,} | {one:.1f} | {other:.1f} | {limit} |")


if __name__ == "__main__":
    main()
