"""Soak. Everything at once for minutes, on both databases at the same time."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import create_engine, insert
from sqlalchemy.pool import NullPool

from careers_users.models import (
    ActivityEvent,
    RefreshToken,
    ReservedUsername,
    RevokedToken,
    SecurityEvent,
    Throttle,
)
from tests import live_server
from tests.conftest import KINDS, driver_url
from tests.live_server import Server
from tests.post_events.posts_service import SOURCE, TOKENS
from tests.stress.callers import PAUSE, Guest, Person, Posts
from tests.stress.conftest import two_processes
from tests.stress.load import Caller, Load, Writer, assert_kept

MINUTES = 5
# Seconds until memory is measured for the first time. Many tokens are seen meanwhile,
# so that what each process remembers of them is full.
WARM_UP = 60
GROWTH = 1.05
PEOPLE = 3
GUESTS = 4
OVER = 300  # Rows of each kind that are past their time when it begins.
SPARE = 6  # Descriptors that a moment may need more than another: calls under way.
COUNT = "SELECT count(*) FROM"
ENOUGH = "100000/2seconds"
RATES = ("LOGIN", "LOGIN_ADDRESS", "LOGIN_USERNAME", "REGISTER", "REFRESH", "FOLLOW")
# KiB of memory that a process may hold: 120 MB.
MOST = 120_000_000 // 1024
# A process gives back what is free every seven seconds.
KEPT_SECONDS = 12
LOOKS, LOOK_SECONDS = 60, 0.1
SETTINGS = {
    # As an operator has them, on two cores.
    "CAREERS_USERS_ARGON2_MEMORY_KIB": "19456",
    "CAREERS_USERS_ARGON2_TIME_COST": "2",
    "CAREERS_USERS_HASH_CONCURRENCY": "1",
    "CAREERS_USERS_EVENTS_TOKENS": TOKENS[0],
    "CAREERS_USERS_LOG_LEVEL": "DEBUG",
    "CAREERS_USERS_RATELIMIT_ENABLED": "true",
    # Windows of two seconds: rows of tries come and go all the time.
    **{f"CAREERS_USERS_RATELIMIT_{rate}": ENOUGH for rate in RATES},
}
# Words that the log must not have: passwords, tokens (a JWT begins so), addresses.
SECRETS = (
    live_server.PASSWORDS["password"],
    "eyJ",
    "@example.com",
    TOKENS[0],
    live_server.KEY,
)


def urls(folder: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Yield a migrated database of each kind."""
    for kind in KINDS:
        if kind == "sqlite":
            shutil.copy(request.getfixturevalue("sqlite_template"), folder / "soak.db")
            yield kind, f"sqlite:///{folder}/soak.db"
        else:
            server = request.getfixturevalue("postgresql")
            yield kind, driver_url(server.create("soak", "template"))


class Sample(NamedTuple):
    """The use of memory and descriptors of a server.

    KiB of all processes together at rest, their open descriptors, and the KiB of the
    largest process at work.
    """

    memory: int
    descriptors: int
    largest: int


def measure(server: Server, load: Load) -> Sample:
    """Look at a server's worker processes, while they work and while they rest.

    The memory of a hash comes and goes: the largest process is one at work, and the sum
    is taken once no client has called for longer than they keep free memory.
    """
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    pids, largest = children.split(), 0
    for _ in range(LOOKS):
        largest = max(largest, *map(resident, pids))
        time.sleep(LOOK_SECONDS)
    descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
    with load.resting():
        time.sleep(KEPT_SECONDS)
        held = sum(map(resident, pids))
    return Sample(held, descriptors, largest)


def resident(pid: str) -> int:
    """Return the KiB of memory that a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def leave_what_is_over(url: str) -> None:
    """Fill the tables that are pruned with rows whose time is long over."""
    then = datetime.now(UTC) - timedelta(days=400)
    over = {"expires_at": then}
    with create_engine(url, poolclass=NullPool).begin() as connection:
        for number in range(OVER):
            name = f"{number:032x}"
            session = {"user_id": 1, "created_at": then, "last_used_at": then}
            event = {"user_id": 1, "event": "login", "created_at": then}
            activity = {"source": SOURCE, "id": name, "received_at": then}
            tries = {"key": name, "used": 1, "started_at": then}
            for statement, row in (
                (insert(RefreshToken), {"id": name, **session, **over}),
                (insert(RevokedToken), {"id": name, "revoked_at": then, **over}),
                (insert(ReservedUsername), {"username_key": name, **over}),
                (insert(SecurityEvent), event),
                (insert(ActivityEvent), activity),
                (insert(Throttle), {**tries, **over}),
            ):
                connection.execute(statement, row)


def left_over(url: str) -> dict[str, int]:
    """Count the rows whose time is over for longer than the test has run."""
    now = datetime.now(UTC).replace(tzinfo=None)
    hour_ago = (now - timedelta(hours=1)).isoformat(" ", "seconds")
    times = {
        "refresh_tokens": "expires_at",
        "revoked_tokens": "expires_at",
        "reserved_usernames": "expires_at",
        "throttle": "expires_at",
        "security_events": "created_at",
        "activity_events": "received_at",
    }
    return {
        table: live_server.ask(url, f"{COUNT} {table} WHERE {column} < '{hour_ago}'")[
            0
        ][0]
        for table, column in times.items()
    }


def megabytes(kib: int) -> str:
    """Return a number of KiB in MB."""
    return f"{kib * 1024 / 1e6:.0f} MB"


@dataclass
class Soak:
    """One server under its load, and what was seen of it."""

    kind: str
    url: str
    server: Server
    load: Load
    writer: Writer
    posts: Posts
    samples: list[Sample] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def hold(self, folder: Path, figures: dict[str, str]) -> None:
        """Hold it to the promise, once its load has ended."""
        statuses = self.load.statuses()
        assert all(0 < status < 500 for status in statuses), statuses
        assert all(outcome.is_json for outcome in self.load.outcomes)
        assert_kept(self.url, self.writer)
        liked = "SELECT likes_received FROM user_counters JOIN users ON id = user_id"
        counted = live_server.ask(self.url, f"{liked} WHERE username = 'star'")
        assert counted == [(self.posts.reported,)]
        said = self.server.log
        assert not [word for word in SECRETS if word in said]
        assert "Traceback" not in said
        self._hold_tables(folder)
        before, after = self.samples[0], self.samples[-1]
        growth = after.memory / before.memory
        figures[f"{self.kind}: calls"] = f"{len(self.load.outcomes):,}"
        figures[f"{self.kind}: memory of a process"] = megabytes(after.largest)
        figures[f"{self.kind}: growth"] = f"{growth - 1:+.1%}"
        figures[f"{self.kind}: descriptors"] = (
            f"{before.descriptors}, then {after.descriptors}"
        )
        assert growth < GROWTH, [sample.memory for sample in self.samples]
        assert after.largest < MOST
        assert after.descriptors <= before.descriptors + SPARE

    def _hold_tables(self, folder: Path) -> None:
        """Assert that the jobs prune all tables, however much there is."""
        names = live_server.run(folder, "jobs", "list", "--json", DATABASE_URL=self.url)
        for job in json.loads(names.stdout):
            words = ("jobs", "run", job["name"])
            done = live_server.run(folder, *words, DATABASE_URL=self.url)
            assert done.returncode == 0, done.stderr
        assert set(left_over(self.url).values()) == {0}


@pytest.fixture(scope="session")
def soaks(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[list[Soak]]:
    """Yield a server for each kind of database, under its load from now on."""
    folder = tmp_path_factory.mktemp("soak")
    with ExitStack() as stack:
        yield [begin(stack, folder, *found) for found in urls(folder, request)]


def test_remembered_things_are_bounded(
    soaks: list[Soak], figures: dict[str, str]
) -> None:
    """A minute of guests with ever new tokens fills what is remembered of them, and a
    process stays under 120 MB, real hashes included."""
    with ExitStack() as passing:
        loads = [Load(s.server.port, *(Guest() for _ in range(GUESTS))) for s in soaks]
        for load in loads:
            passing.enter_context(load)
        time.sleep(WARM_UP)
    for soak, load in zip(soaks, loads, strict=True):
        assert {*load.statuses()} == {200}
        soak.samples.append(measure(soak.server, soak.load))
        figures[f"{soak.kind}: tokens"] = f"{len(load.outcomes) // 2:,}"
        figures[f"{soak.kind}: memory of a process"] = megabytes(
            soak.samples[0].largest
        )
        assert soak.samples[0].largest < MOST


def test_minutes_of_everything_at_once(
    soaks: list[Soak], tmp_path: Path, figures: dict[str, str]
) -> None:
    """Five minutes of mixed load on both databases at once, beside other tests of these
    pages: no 5xx, after a warm-up of one minute memory grows by less than 5% and stays
    under 120 MB a process, descriptors stay as many, the books are exact, the log has
    no secret in it, and what is over is pruned."""
    for soak in soaks:
        while time.monotonic() < soak.begun + 60 * MINUTES:
            time.sleep(1)
    for soak in soaks:
        soak.samples.append(measure(soak.server, soak.load))
        soak.load.__exit__()
        soak.hold(tmp_path, figures)
        assert soak.server.stop() == 0


def begin(stack: ExitStack, folder: Path, kind: str, url: str) -> Soak:
    """Serve a database and put its load on it."""
    server = stack.enter_context(two_processes(folder, url, **SETTINGS))
    with Caller(server.port) as caller:
        assert caller.register("star").status == 201
    leave_what_is_over(url)
    writer, posts = Writer("writer", "star"), Posts("star")
    people = [Person(f"person_{number}", "star") for number in range(PEOPLE)]
    load = Load(server.port, writer, posts, *people, pause=PAUSE)
    return Soak(kind, url, server, stack.enter_context(load), writer, posts)
