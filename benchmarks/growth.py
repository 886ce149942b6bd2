"""How the time of each read's statements grows with the data, on the database's side.

The statements are the service's own: they are noted while an application in this
process answers the call, and then timed one by one, without network or Python.
"""

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from flask import Flask
from sqlalchemy import Connection, event

from benchmarks.calls import BATCH
from careers_users import create_app
from careers_users.cli.demo.fill import PASSWORD
from careers_users.cli.demo.people import CELEBRITY, Size
from careers_users.extensions import db
from careers_users.settings import Settings
from careers_users.settings.parsers import normalise_database_url
from careers_users.validation.limits import BASE_PATH

SAMPLES = 12
# Each statement is timed so often, the best counts for that sample: what a neighbour
# on the machine does can only add to a time. More often where a time is short.
REPEATS, REPEATS_QUICK = 5, 25
QUICK_MS = 5
SECONDS_PER_CALL = 6
_Ask = Callable[[str], Any]
_Clock = Callable[[Any, "Statement"], float]


class Statement(NamedTuple):
    """A statement as the driver was given it."""

    sql: str
    parameters: Any


def _many(path: str) -> Callable[[_Ask, Size, random.Random], Iterator[str]]:
    """Ask for random users, by the places they have in the list."""

    def paths(ask: _Ask, size: Size, dice: random.Random) -> Iterator[str]:
        while True:
            number = dice.randrange(size.users)
            card = ask(f"/?batch_size=1&batch_number={number}")["users"][0]
            yield path.format(card["username"])

    return paths


def _always(path: str) -> Callable[[_Ask, Size, random.Random], Iterator[str]]:
    def paths(_ask: _Ask, _size: Size, _dice: random.Random) -> Iterator[str]:
        while True:
            yield path

    return paths


def _middle(_ask: _Ask, size: Size, dice: random.Random) -> Iterator[str]:
    while True:
        yield f"/?batch_number={size.users // 20 + dice.randrange(100)}"


def _deep(ask: _Ask, size: Size, dice: random.Random) -> Iterator[str]:
    while True:
        number = dice.randrange(size.celebrity_followers // BATCH)
        path = f"/{CELEBRITY}/followers/?batch_size={BATCH}&batch_number={number}"
        page = ask(path)
        yield page["next"] or page["previous"]


CALLS = {
    "profile": _many("/{}/"),
    "me": _always("/me/"),
    "list, first batch": _always("/"),
    **{
        f"list by {key}": _always(f"/?ordering={key}")
        for key in (
            *("-username", "created_at", "-created_at", "first_name"),
            *("-first_name", "last_name", "-last_name"),
        )
    },
    "list, in the middle": _middle,
    "is_following for 100 rows": _always("/?batch_size=100"),
    "followers, first batch": _always(f"/{CELEBRITY}/followers/?batch_size={BATCH}"),
    "followers, deep by cursor": _deep,
    "search, one match": _always(f"/?search={CELEBRITY}"),
    "search, 1% of users": _always("/?search=ller"),
    "search, 13% of users": _always("/?search=software"),
    "search, two letters, 1% of users": _always("/?search=zo"),
    "search, two letters, 30% of users": _always("/?search=ol"),
    "search, two letters, 70% of users": _always("/?search=er"),
}
# Calls that find or skip more on more data may take so many ms at 1,000,000 users; None
# where nothing is demanded.
LIMITS_MS = {
    "list, in the middle": 30.0,
    "search, 1% of users": 25.0,
    "search, 13% of users": None,
    "search, two letters, 1% of users": None,
    "search, two letters, 30% of users": 100.0,
    "search, two letters, 70% of users": None,
}


def measure(url: str, size: Size) -> dict[str, float]:
    """Return the milliseconds of each call's statements, the token's left out."""
    url = normalise_database_url(url) or ""
    app = create_app(Settings(database_url=url, jwt_secret_key="k" * 32))
    figures = {}
    ask = asker(app)
    dice = random.Random(1)
    with app.app_context():
        engine = db.engine
        for name, paths in CALLS.items():
            statements = _statements(engine, ask, paths(ask, size, dice))
            figures[name] = _time(engine, statements)
            print(f"    {name}: {figures[name]:.3f} ms", flush=True)
        engine.dispose()
    return figures


def asker(app: Flask) -> _Ask:
    """Return a function that asks the application for a path, as a signed-in user."""
    client = app.test_client()
    body = {"username": CELEBRITY, "password": PASSWORD}
    token = client.post(f"{BASE_PATH}/login/", json=body).get_json()["access"]

    def ask(path: str) -> Any:
        if not path.startswith(BASE_PATH):
            path = BASE_PATH + path
        response = client.get(path, headers={"Authorization": f"Bearer {token}"})
        if response.status_code != 200:
            raise SystemExit(f"{path}: {response.status_code}")
        return response.get_json()

    return ask


@contextmanager
def _noted(engine: Any) -> Iterator[list[Statement]]:
    seen: list[Statement] = []

    def note(
        _connection: Connection, _cursor: Any, sql: str, parameters: Any, *_: Any
    ) -> None:
        if sql.lstrip().startswith(("SELECT", "WITH")):  # Not a search's time limit.
            seen.append(Statement(sql, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def _statements(engine: Any, ask: _Ask, paths: Iterator[str]) -> list[list[Statement]]:
    """Return the statements of some requests.

    The first is the token's check, and left out if it is not all there is.
    """
    found: list[list[Statement]] = []
    given_up = time.monotonic() + SECONDS_PER_CALL
    while len(found) < SAMPLES and time.monotonic() < given_up:
        path = next(paths)
        with _noted(engine) as seen:
            ask(path)
        found.append(seen[1:] or seen)
    return found


def _time(engine: Any, samples: Sequence[Sequence[Statement]]) -> float:
    """Return the median of the samples' milliseconds."""
    timed = _explain if engine.dialect.name == "postgresql" else _stopwatch
    given_up = time.monotonic() + SECONDS_PER_CALL
    sums = []
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        for statements in samples:
            sums.append(sum(_best(timed, cursor, it) for it in statements))
            if time.monotonic() > given_up:
                break
    return round(statistics.median(sums), 4)


def _best(timed: _Clock, cursor: Any, statement: Statement) -> float:
    """Return the best of several times; of one that takes seconds, the first."""
    first = timed(cursor, statement)
    times = 1 if first > 500 else REPEATS if first > QUICK_MS else REPEATS_QUICK
    return min([first, *(timed(cursor, statement) for _ in range(times - 1))])


def _explain(cursor: Any, statement: Statement) -> float:
    """Return PostgreSQL's own execution time of a statement."""
    sql = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement.sql}"
    cursor.execute(sql, statement.parameters)
    found = cursor.fetchone()[0]
    plan = json.loads(found) if isinstance(found, str) else found
    taken: float = plan[0]["Execution Time"]
    return taken


def _stopwatch(cursor: Any, statement: Statement) -> float:
    """Return how long SQLite, which has no server, takes to find all rows."""
    begun = time.perf_counter()
    cursor.execute(statement.sql, statement.parameters).fetchall()
    return (time.perf_counter() - begun) * 1000
