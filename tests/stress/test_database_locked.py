"""Database in trouble. Locked by another program, out of connections."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from careers_users.settings.parsers import normalise_database_url
from tests import live_server
from tests.live_server import Server
from tests.stress.conftest import Serve
from tests.stress.faults import MARGIN, assert_documented, prepare
from tests.stress.load import Caller, Outcome

LOCK_TIMEOUT = POOL_TIMEOUT = 1


# Another WSGI server than ours, which gives threads no thought.
WSGI = """
import sys
from waitress import create_server
from wsgi import app
server = create_server(app, host="127.0.0.1", port=0, threads=8)
print(f"Listening on http://127.0.0.1:{server.effective_port}", file=sys.stderr)
server.run()
"""


@contextmanager
def locked(url: str, mode: str = "EXCLUSIVE") -> Iterator[None]:
    """Hold the lock that writes need, from another connection."""
    other = create_engine(normalise_database_url(url) or "", poolclass=NullPool)
    with other.connect() as connection:
        if url.startswith("sqlite"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            names = "users, user_counters, follows, refresh_tokens"
            connection.exec_driver_sql(f"LOCK TABLE {names} IN {mode} MODE")
        yield
        connection.rollback()


def register_at_once(port: int, prefix: str, count: int) -> list[Outcome]:
    """Let so many users register at the same moment."""

    def register(number: int) -> Outcome:
        with Caller(port) as caller:
            return caller.register(f"{prefix}_{number}")

    return live_server.at_once(register, range(count))


def change_at_once(port: int, token: str, count: int) -> list[Outcome]:
    """Let a user change their profile so many times at the same moment."""

    def change(number: int) -> Outcome:
        with Caller(port) as caller:
            return caller.call("PATCH", "me/", {"bio": f"Version {number}"}, token)

    return live_server.at_once(change, range(count))


def test_locks_held_elsewhere(
    database_url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """A write that waits for a lock held by another program is 503 with `Retry-After`
    after the lock timeout; reads go on meanwhile, and no thread is stuck afterwards."""
    limit = {"CAREERS_USERS_DB_LOCK_TIMEOUT": str(LOCK_TIMEOUT)}
    service = serve(database_url, **limit)
    token = prepare(service.port)
    with locked(database_url):
        # Not more than one process has threads, whichever process they come to.
        early = change_at_once(service.port, token, 4)
        # And more than all have, so that some wait for a thread too.
        early_too = register_at_once(service.port, "early_too", 10)
        with Caller(service.port) as caller:
            reads = [caller.call("GET", path) for path in ("", "star/", "?search=star")]
    assert_documented([*early, *early_too], 503)
    assert_documented(reads, 200)
    slowest = max(call.seconds for call in early)
    assert slowest < LOCK_TIMEOUT + MARGIN
    if not database_url.startswith("sqlite"):
        with locked(database_url, "ACCESS EXCLUSIVE"), Caller(service.port) as caller:
            assert_documented([caller.call("GET", "star/")], 503)
    assert_documented(register_at_once(service.port, "after", 24), 201)
    assert "Traceback" not in service.log
    figures["lock timeout"] = f"{LOCK_TIMEOUT} s"
    figures["slowest 503"] = f"{slowest:.2f} s"


def test_pool_smaller_than_asked_for(database_url: str, serve: Serve) -> None:
    """However small `CAREERS_USERS_DB_POOL_SIZE` is, `careers-users serve` has a
    connection for each thread: reads go on beside writes that wait for a lock."""
    service = serve(database_url, "--processes", "1", CAREERS_USERS_DB_POOL_SIZE="1")
    prepare(service.port)
    with ThreadPoolExecutor() as pool:
        with locked(database_url):
            waiting = pool.submit(register_at_once, service.port, "waiting", 3)
            with Caller(service.port) as caller:
                reads = [caller.call("GET", "") for _ in range(20)]
            assert not waiting.done()
        assert_documented(waiting.result(), 201)
    assert_documented(reads, 200)


def until_refused(caller: Caller) -> Outcome:
    """Read until that is refused, and return how."""
    reads: list[Outcome] = []

    def is_refused() -> bool:
        reads.append(caller.call("GET", ""))
        return reads[-1].status != 200

    live_server.until(is_refused)
    return reads[-1]


def test_pool_exhausted(
    database_url: str, tmp_path: Path, figures: dict[str, str]
) -> None:
    """Under another WSGI server, with fewer connections than threads, a call that gets
    none within the pool timeout is 503 with `Retry-After`; all are served once some are
    free, and the health checks all the time."""
    settings = {
        "DATABASE_URL": database_url,
        "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY,
        "CAREERS_USERS_DB_POOL_SIZE": "2",
        "CAREERS_USERS_DB_POOL_TIMEOUT": str(POOL_TIMEOUT),
        "CAREERS_USERS_DB_LOCK_TIMEOUT": "30",
    }
    command = (sys.executable, "-c", WSGI)
    with (
        Server(tmp_path, command=command, **settings) as service,
        Caller(service.port) as caller,
        ThreadPoolExecutor() as pool,
    ):
        assert caller.call("GET", "").status == 200
        with locked(database_url):
            holding = pool.submit(register_at_once, service.port, "holder", 2)
            refused = until_refused(caller)
            healthy = [caller.call("GET", f"/health/{n}") for n in ("live", "ready")]
            assert not holding.done()
        assert_documented([refused], 503)
        assert POOL_TIMEOUT <= refused.seconds < POOL_TIMEOUT + MARGIN
        assert_documented(healthy, 200)
        assert_documented(holding.result(), 201)
        assert_documented(register_at_once(service.port, "after", 16), 201)
    assert "Traceback" not in service.log
    figures["pool timeout"] = f"{POOL_TIMEOUT} s"
    figures["503 after"] = f"{refused.seconds:.2f} s"
