"""Database away. PostgreSQL restarted, not there yet, and full of other connections."""

import itertools
import time
from collections.abc import Iterator
from functools import partial
from typing import Literal

import pytest

from careers_users.database.engine import IDLE_SECONDS
from tests import live_server, postgres
from tests.stress.conftest import Serve
from tests.stress.faults import (
    assert_documented,
    assert_nothing_by_halves,
    order,
    readers,
)
from tests.stress.load import Caller, Load, Outcome, Writer, assert_kept

MODES: tuple[Literal["fast", "immediate"], ...] = ("fast", "immediate")
_numbers = itertools.count(1)


@pytest.fixture
def url(own_postgresql: postgres.Server) -> Iterator[str]:
    """Yield an empty database on the server that goes away."""
    name = f"careers_{next(_numbers)}"
    yield own_postgresql.create(name, "template")
    own_postgresql.drop(name)


@pytest.mark.parametrize(
    "mode", ["fast", pytest.param("immediate", marks=pytest.mark.quick)]
)
def test_restart_under_load(
    mode: Literal["fast", "immediate"],
    own_postgresql: postgres.Server,
    url: str,
    serve: Serve,
    figures: dict[str, str],
) -> None:
    """While PostgreSQL restarts, clients get 503 with `Retry-After` and nothing else;
    then the service goes on by itself, and nothing that it acknowledged is lost."""
    service = serve(url)
    with Caller(service.port) as caller:
        assert caller.register("star").status == 201
    writers = [Writer(f"w{n}", "star") for n in range(4)]
    reading = readers("star", 2)
    with Load(service.port, *writers, *reading, pause=0.005) as load:
        load.wait_for(40, 201)
        own_postgresql.stop(mode)
        load.wait_for(20, 503)
        own_postgresql.start()
        back = time.monotonic()
        load.wait_for(40, 201)
        recovered = first_write(load, back) - back
    assert_documented(load.outcomes, 200, 201, 503)
    assert "Traceback" not in service.log
    figures["calls"] = f"{len(load.outcomes):,}"
    figures["answers of 503"] = f"{load.statuses()[503]:,}"
    figures["kept"] = f"{assert_kept(url, *writers):,}"
    assert_nothing_by_halves(url, *writers)
    figures["first write after"] = f"{recovered:.2f} s"


def first_write(load: Load, since: float) -> float:
    """Return when the first write was acknowledged that was begun after a moment."""
    calls = [c for c in load.outcomes if c.status == 201 and c.started > since]
    return min(call.started + call.seconds for call in calls)


def is_past(moment: float) -> bool:
    """Return whether a moment of the monotonic clock has passed."""
    return time.monotonic() > moment


def test_restart_while_idle(
    own_postgresql: postgres.Server, url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """A restart of PostgreSQL while no client calls goes unnoticed: no call after it
    fails, reads or writes, on any connection."""
    service = serve(url)
    calls = 0
    for mode in (None, *MODES):
        if mode is not None:
            idle_until = time.monotonic() + IDLE_SECONDS
            own_postgresql.restart(mode)
            live_server.until(partial(is_past, idle_until))

        def call(number: int, mode: str | None = mode) -> Outcome:
            with Caller(service.port) as caller:
                if number % 2:
                    return caller.call("GET", "")
                return caller.register(f"after_{mode}_{number}")

        # More than there are threads, so that each connection is used.
        outcomes = live_server.at_once(call, range(24))
        assert_documented(outcomes, 200, 201)
        calls += len(outcomes)
    assert "ERROR" not in service.log
    figures["restarts"] = str(len(MODES))
    figures["calls, none failed"] = str(calls)


def test_start_before_the_database(
    own_postgresql: postgres.Server, url: str, serve: Serve, figures: dict[str, str]
) -> None:
    """A service that is started before its database says so, waits for it, and then
    serves."""
    own_postgresql.stop()
    service = serve(url)
    live_server.until(lambda: "Waiting 30 s" in service.log)
    assert "can't be reached" in service.log
    own_postgresql.start()
    back = time.monotonic()
    with Caller(service.port) as caller:
        assert caller.register("early").status == 201
    figures["served after"] = f"{time.monotonic() - back:.1f} s"
    assert "Traceback" not in service.log


def test_too_many_connections(url: str, serve: Serve, figures: dict[str, str]) -> None:
    """When PostgreSQL takes no more connections, calls for which there is none are 503
    with `Retry-After`, the others are served, and all are once there is room."""
    roles = "pg_read_all_data, pg_write_all_data"
    order(url, f"CREATE ROLE clerk LOGIN CONNECTION LIMIT 2 IN ROLE {roles}")
    service = serve(url.replace("careers_users@", "clerk@"))
    works = readers("star", 6)
    with Caller(service.port) as caller:
        assert caller.register("star").status == 201
    with Load(service.port, *works, pause=0.005) as load:
        load.wait_for(20, 503)
        load.wait_for(20, 200)
        order(url, "ALTER ROLE clerk CONNECTION LIMIT -1")
        roomy = time.monotonic()
        load.wait_for(100, 200)
    assert_documented(load.outcomes, 200, 503)
    later = [call for call in load.outcomes if call.started > roomy]
    assert_documented(later, 200)
    figures["answers of 503"] = (
        f"{load.statuses()[503]:,} of {len(load.outcomes):,} calls"
    )
