"""How many events a second the service takes in: many senders, as it is served.

    python -m benchmarks.activity

Fills an SQLite and a PostgreSQL database with users, serves each with
`careers-users serve`, sends batches of 100 events from several senders at once,
compares the counters with what was sent, prints a table and writes the figures as JSON.
Exits with 1 if a number is wrong, or PostgreSQL takes fewer than 5,000 events a second.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import platform
import random
import secrets
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import create_engine

from benchmarks.dataset import fill
from benchmarks.latency import kind_of, served, version
from careers_users.cli.demo.people import Size
from careers_users.post_events.schemas import COUNTERS, MOVES
from careers_users.settings.parsers import normalise_database_url
from careers_users.validation.limits import BASE_PATH
from tests import postgres

RESULTS = Path(__file__).with_name("results") / "activity.json"
ENOUGH = 5000  # events a second on PostgreSQL
BATCH = 100
WARM_UP = 5  # batches of each sender that are not measured
TOKEN = secrets.token_urlsafe(48)
START = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
GIVE_UP_SECONDS = 120
RETRY_SECONDS = 0.1

Sums = Counter[tuple[int, str]]


def batches(users: int, number: int, hot: float, seed: str) -> tuple[list[bytes], Sums]:
    """Return bodies of 100 events each, and what all of them add to the counters.

    A share `hot` of the events is about user 1, the others about anybody.
    """
    dice = random.Random(seed)
    sums: Sums = Counter()
    bodies = []
    for batch in range(number):
        events = []
        for place in range(BATCH):
            author = 1 if dice.random() < hot else dice.randint(2, users)
            type_ = dice.choice([name for name in MOVES if MOVES[name][1] > 0])
            counter, by = MOVES[type_]
            sums[author, counter] += by
            events.append(
                {
                    "specversion": "1.0",
                    "id": f"{seed}-{batch}-{place}",
                    "source": "https://posts.example.com/",
                    "type": type_,
                    "subject": f"things/{dice.randrange(10**9)}",
                    "time": (START + timedelta(milliseconds=batch)).isoformat(),
                    "data": {"author_id": author},
                }
            )
        bodies.append(json.dumps(events).encode())
    return bodies, sums


def send(port: int, bodies: list[bytes], ready: Any, times: Any) -> None:
    """Send the bodies over one connection, as a process of its own."""
    headers = {
        "Content-Type": "application/cloudevents-batch+json",
        "Authorization": f"Bearer {TOKEN}",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    ready.wait()
    taken = []
    for body in bodies:
        started = time.perf_counter()
        while True:
            connection.request("POST", f"{BASE_PATH}/events/", body, headers)
            response = connection.getresponse()
            content = response.read()
            if response.status != 503:
                break
            time.sleep(RETRY_SECONDS)  # As any sender does: the database was locked.
        taken.append(time.perf_counter() - started)
        if response.status != 200 or content.count(b'"applied"') != BATCH:
            raise SystemExit(f"{response.status} {content.decode()[:500]}")
    times.put(taken)


def storm(port: int, shares: list[list[bytes]]) -> tuple[float, list[float]]:
    """Let all senders send at once; return the seconds of all and of each batch."""
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(len(shares) + 1)
    times = context.Queue()
    senders = [
        context.Process(target=send, args=(port, share, ready, times), daemon=True)
        for share in shares
    ]
    for sender in senders:
        sender.start()
    ready.wait(60)
    started = time.perf_counter()
    taken = [times.get(timeout=GIVE_UP_SECONDS) for _ in senders]
    return time.perf_counter() - started, sorted(t for part in taken for t in part)


def stored(url: str) -> Sums:
    """Return the counters that are in the database, those that are not zero."""
    engine = create_engine(normalise_database_url(url) or "")
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            f"SELECT user_id, {', '.join(COUNTERS)} FROM user_counters"
        ).all()
    engine.dispose()
    return Counter(
        {
            (row[0], name): number
            for row in rows
            for name, number in zip(COUNTERS, row[1:], strict=True)
            if number
        }
    )


def run(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Fill the database at `url`, serve it, send, and return the figures."""
    fill(url, Size(users=options.users, edges=0))
    before = stored(url)
    made = [
        batches(
            options.users, WARM_UP + options.batches, options.hot, secrets.token_hex(4)
        )
        for _ in range(options.senders)
    ]
    with served(
        url,
        processes=options.processes,
        settings={"CAREERS_USERS_EVENTS_TOKENS": TOKEN},
    ) as port:
        storm(port, [bodies[:WARM_UP] for bodies, _ in made])
        refresh_statistics(url)
        seconds, taken = storm(port, [bodies[WARM_UP:] for bodies, _ in made])
    expected = sum((sums for _, sums in made), before)
    number = options.senders * options.batches * BATCH
    return {
        "version": version(url),
        "durable": durable(url),
        "events": number,
        "events_per_second": round(number / seconds),
        "batch_median_ms": round(taken[len(taken) // 2] * 1000, 1),
        "batch_p95_ms": round(taken[int(len(taken) * 0.95)] * 1000, 1),
        "exact": stored(url) == expected,
    }


def refresh_statistics(url: str) -> None:
    """Do what PostgreSQL does by itself a minute after a new table gets rows."""
    if kind_of(url) == "postgresql":
        plain = url.replace("+psycopg", "", 1)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")


def durable(url: str) -> bool:
    """Return whether a commit waits for the disk."""
    if kind_of(url) == "sqlite":
        return True  # synchronous = FULL, as the service sets it.
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        shown = [
            connection.execute(question).fetchall()[0][0]
            for question in ("SHOW fsync", "SHOW synchronous_commit")
        ]
    return shown == ["on", "on"]


def table(databases: dict[str, Any]) -> str:
    """Return the figures as a table in Markdown."""
    lines = [
        "| | events/s | batch of 100: median ms | p95 ms | commits wait for the disk |",
        "|---|--:|--:|--:|---|",
    ]
    for kind, found in databases.items():
        lines.append(
            f"| {kind} | {found['events_per_second']} | {found['batch_median_ms']} "
            f"| {found['batch_p95_ms']} | {'yes' if found['durable'] else 'no'} |"
        )
    return "\n".join(lines)


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--database", choices=("sqlite", "postgresql", "both"), default="both")
    add("--database-url", help="measure this database instead; it must be empty")
    for name, default, meaning in (
        ("users", 10_000, "users to fill the database with"),
        ("senders", 12, "senders at once"),
        ("processes", 2, "processes of the service"),
        ("batches", 50, "batches of 100 events that each sender sends"),
    ):
        add(f"--{name}", type=int, default=default, help=f"{meaning} (%(default)s)")
    add("--hot", type=float, default=0.3, help="share of user 1 (%(default)s)")
    add("--output", type=Path, default=RESULTS, help="where to write the figures")
    return parser.parse_args(arguments)


def main() -> int:
    """Measure what was asked for; return the exit code."""
    options = options_of()
    databases = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {"sqlite": f"sqlite:///{folder / 'benchmark.db'}"}
        if options.database_url:
            urls = {kind_of(options.database_url): options.database_url}
        elif options.database in ("postgresql", "both"):
            server = stack.enter_context(postgres.server(folder))
            urls["postgresql"] = server.create("benchmark")
        for kind, url in urls.items():
            if options.database_url or options.database in (kind, "both"):
                databases[kind] = run(url, options)
    print(table(databases))
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "senders": options.senders,
        "processes": options.processes,
        "hot": options.hot,
        "databases": databases,
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    wrong = [kind for kind, found in databases.items() if not found["exact"]]
    slow = [
        kind
        for kind, found in databases.items()
        if kind == "postgresql" and found["events_per_second"] < ENOUGH
    ]
    for kind in wrong:
        print(f"{kind}: the counters do not equal the events")
    for kind in slow:
        print(f"{kind}: fewer than {ENOUGH} events a second")
    return 1 if wrong or slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
