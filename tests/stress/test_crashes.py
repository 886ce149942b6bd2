"""Crashes. Processes killed in the middle of their work, and what is left then."""

import os
import signal
import time

import pytest

from tests.stress.conftest import Serve
from tests.stress.faults import (
    assert_documented,
    assert_nothing_by_halves,
    assert_sessions_go_on,
    readers,
    wait_for_workers,
    waited,
    workers,
)
from tests.stress.load import NO_REPLY, Caller, Load, Writer, assert_kept

WRITERS = 4
READERS = 2


@pytest.mark.quick
def test_all_processes_killed_under_writers(
    database_url: str, serve: Serve, figures: dict[str, str], whole: bool
) -> None:
    """No acknowledged write is lost when all processes are killed at once (kill -9),
    the files are in order, counters exact, sessions go on, and it serves again within
    two seconds."""
    kills = 10 if whole else 2
    writers: list[Writer] = []
    alive: list[Writer] = []
    starts, pure = [0.0], [0.0]
    for life in range(kills + 1):
        begun, waited_before = time.monotonic(), waited(os.getpid())
        server = serve(database_url)
        star = f"star_{life}"
        with Caller(server.port) as caller:
            assert caller.call("GET", "").status == 200
            if life:
                starts.append(time.monotonic() - begun)
                chain = (os.getpid(), server.pid, min(workers(server.pid)))
                pure.append(starts[-1] - waited(*chain) + waited_before)
            assert_sessions_go_on(caller, alive)
            if life == kills:
                break
            assert caller.register(star).status == 201
        alive = [Writer(f"w{life}_{n}", star) for n in range(WRITERS)]
        with Load(server.port, *alive) as load:
            load.wait_for(20, 201)
            server.kill()
        assert_documented(load.outcomes, NO_REPLY, 200, 201)
        writers += alive
        kept = assert_kept(database_url, *writers)
        assert_nothing_by_halves(database_url, *writers)
    figures["kills"] = str(kills)
    figures["acknowledged writes, all kept"] = f"{kept:,}"
    figures["slowest start"] = f"{max(starts):.1f} s"
    # Without what the machine's other work took away.
    assert max(pure) < 2


@pytest.mark.quick
def test_one_process_of_several_killed(
    database_url: str, serve: Serve, figures: dict[str, str], whole: bool
) -> None:
    """When one of several processes is killed (kill -9) the others go on: a client
    loses at most the one call that it was waiting for, no acknowledged write is lost,
    and the process is replaced."""
    # Not five within seconds: a server takes that for a fault that stays, and gives up.
    kills = 4 if whole else 1
    server = serve(database_url)
    with Caller(server.port) as caller:
        assert caller.register("star").status == 201
    writers = [Writer(f"w{n}", "star") for n in range(WRITERS)]
    with Load(server.port, *writers, *readers("star", READERS)) as load:
        for _ in range(kills):
            load.wait_for(20, 201)
            before = workers(server.pid)
            assert len(before) == 2
            victim = min(before)
            os.kill(victim, signal.SIGKILL)
            load.wait_for(20, 201)
            wait_for_workers(server.pid, 2, without=victim)
    assert server.log.count("has ended by itself (-9)") == kills
    assert_documented(load.outcomes, NO_REPLY, 200, 201)
    lost = load.statuses()[NO_REPLY]
    # Each client of the killed process loses one call; some client is always waiting.
    assert 0 < lost <= kills * (WRITERS + READERS)
    kept = assert_kept(database_url, *writers)
    assert_nothing_by_halves(database_url, *writers)
    with Caller(server.port) as caller:
        assert_sessions_go_on(caller, writers)
    figures["kills"] = str(kills)
    figures["calls lost"] = f"{lost} of {len(load.outcomes):,}"
    figures["acknowledged writes, all kept"] = f"{kept:,}"
