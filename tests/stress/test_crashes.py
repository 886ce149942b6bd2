"""Crashes. Processes killed in the middle of their work, and what is left then."""

import time

import pytest

from tests.stress.conftest import Serve
from tests.stress.load import Caller, Load, Writer, assert_kept

WRITERS = 4


@pytest.mark.quick
def test_all_processes_killed_under_writers(
    database_url: str, serve: Serve, figures: dict[str, str], whole: bool
) -> None:
    """No acknowledged write is lost when all processes are killed at once (kill -9),
    the files are in order, counters exact, and it serves again within two seconds."""
    kills = 10 if whole else 2
    writers: list[Writer] = []
    slowest = 0.0
    for life in range(kills + 1):
        begun = time.monotonic()
        server = serve(database_url)
        star = f"star_{life}"
        with Caller(server.port) as caller:
            assert caller.call("GET", "").status == 200
            if life:
                slowest = max(slowest, time.monotonic() - begun)
            if life == kills:
                break
            assert caller.register(star).status == 201
        alive = [Writer(f"w{life}_{n}", star) for n in range(WRITERS)]
        with Load(server.port, *alive) as load:
            load.wait_for(25, 201)
            server.kill()
        assert {*load.statuses()} <= {0, 200, 201}
        writers += alive
        kept = assert_kept(database_url, *writers)
    figures["kills"] = str(kills)
    figures["acknowledged writes, all kept"] = f"{kept:,}"
    figures["slowest start"] = f"{slowest:.1f} s"
    assert slowest < 2
