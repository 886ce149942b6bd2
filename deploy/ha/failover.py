"""Kills the leader of a PostgreSQL cluster under load, and says what clients saw.

    .venv/bin/python -m deploy.ha.failover --record

Starts etcd, two nodes with Patroni, HAProxy and the service (two processes), writes to
it without pause, ends the leader with kill -9, and switches over as before maintenance:
once with a DATABASE_URL that names both nodes, once through HAProxy, which also has to
notice a leader that hangs. Takes about five minutes, on 127.0.0.1 and in a temporary
directory alone. Fails if an acknowledged write is lost, or a client saw anything but
success and 503. --record puts the figures into docs/high-availability.md.
"""

import argparse
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from deploy.ha.cluster import Cluster
from deploy.ha.processes import NODES, ClusterError
from tests import live_server
from tests.live_server import KEY, ROOT, Server
from tests.stress.load import Caller, Load, Outcome, Writer, assert_kept

PAGE = ROOT / "docs/high-availability.md"
KILL, FREEZE = "leader killed (-9)", "leader frozen (SIGSTOP)"
SWITCHOVER = "switchover"
ALL = (KILL, SWITCHOVER, FREEZE)
NAMED, HAPROXY = "both nodes named", "HAProxy"
WRITERS = 4
# Writes before and after each blow.
ENOUGH = 200
# Seconds for all of it; longer than that and something hangs.
BOUND = 600


@dataclass(frozen=True)
class Blow:
    """An event in the cluster, and its effect on clients."""

    way: str
    what: str
    outage: float
    longest: float
    kept: int
    statuses: Counter[int]

    @property
    def row(self) -> str:
        """Return this as a row of the table on the page."""
        refused = sum(n for status, n in self.statuses.items() if status >= 500)
        return (
            f"| {self.way} | {self.what} | {self.outage:.1f} s | {self.longest:.1f} s |"
            f" {refused:,} x 503 | {self.kept:,}, none lost |"
        )


def read(caller: Caller) -> Iterable[Outcome]:
    """Look at the list of users."""
    yield caller.call("GET", "?batch_size=5")


def outage(outcomes: list[Outcome]) -> float:
    """Return the longest time, in seconds, in which nothing was written."""
    ends = sorted(o.started + o.seconds for o in outcomes if o.status == 201)
    return max(later - sooner for sooner, later in pairwise(ends))


def strike(cluster: Cluster, server: Server, url: str, way: str, what: str) -> Blow:
    """Let the leader be killed or changed under load; hold the service to its word."""
    name = f"t{time.monotonic_ns() // 1_000_000}"  # No other round has it.
    with Caller(server.port) as caller:
        assert caller.register(f"star_{name}").status == 201
    writers = [Writer(f"{name}_{n}", f"star_{name}") for n in range(WRITERS)]
    with Load(server.port, *writers, read) as load:
        load.wait_for(ENOUGH, 201)
        leader = cluster.leader()
        assert leader is not None
        if what == KILL:
            cluster.kill_node(leader)
        elif what == FREEZE:
            cluster.freeze_node(leader)
        else:
            cluster.switch_over()
        load.wait_for(ENOUGH, 201)
    statuses = load.statuses()
    if strange := statuses.keys() - {200, 201, 503}:
        raise ClusterError(f"clients saw {strange}: {statuses}\n{server.log[-3000:]}")
    for outcome in load.outcomes:
        if outcome.status == 503:
            assert outcome.retry_after, "a 503 says when to try again"
            assert outcome.is_json, "a 503 is JSON"
    kept = assert_kept(url, *writers)
    longest = max(outcome.seconds for outcome in load.outcomes)
    return Blow(way, what, outage(load.outcomes), longest, kept, statuses)


def try_way(
    cluster: Cluster, way: str, url: str, folder: Path, *whats: str
) -> list[Blow]:
    """Serve by a URL while the leader dies, comes back, and hands over."""
    settings = {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    blows = []
    with Server(folder, "--processes", "2", **settings) as server:
        assert server.port
        workers = children(server.pid)
        for what in whats:
            blows.append(strike(cluster, server, url, way, what))
            say(blows[-1].row)
            if what != SWITCHOVER:
                revive(cluster)
            cluster.wait_for_both()
        if children(server.pid) != workers or "Traceback" in server.log:
            raise ClusterError(f"the service was not left alone:\n{server.log[-3000:]}")
        if server.stop() != 0:
            raise ClusterError(f"the service did not end well:\n{server.log[-3000:]}")
    return blows


def revive(cluster: Cluster) -> None:
    """Start the node again that leads no longer, as its machine would."""
    begun = time.monotonic()
    fallen = next(node for node in NODES if node != cluster.leader())
    cluster.kill_node(fallen)
    cluster.start_node(fallen)
    say(f"  the node follows again after {time.monotonic() - begun:.0f} s")


def children(pid: int) -> list[str]:
    """Return the processes that a process has started."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def record(blows: list[Blow]) -> None:
    """Put the figures into the page, between its two marks."""
    rows = "\n".join(blow.row for blow in blows)
    table = (
        f"Measured on {datetime.now(UTC).date()}, {os.cpu_count()} cores for everything"
        " together:\n\n"
        "| DATABASE_URL | what happened | no write for | slowest reply | refused |"
        " acknowledged writes |\n|---|---|---|---|---|---|\n"
        f"{rows}\n"
    )
    text = PAGE.read_text("utf-8")
    new, found = re.subn(
        r"(<!-- failover -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}{table}{match[2]}",
        text,
        flags=re.DOTALL,
    )
    if not found:
        raise ClusterError(f"{PAGE} has no place for the figures")
    PAGE.write_text(new, "utf-8")


def say(line: str) -> None:
    """Wake up the threads that wait."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _stop(number: int, _frame: object) -> NoReturn:
    # Raised so that everything that was started is ended.
    raise ClusterError(f"ended by signal {signal.Signals(number).name}")


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Kill the leader under load.")
    parser.add_argument("--record", action="store_true", help="write the figures down")
    is_recording: bool = parser.parse_args().record
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, _stop)
    signal.alarm(BOUND)
    blows: list[Blow] = []
    try:
        with tempfile.TemporaryDirectory() as folder, Cluster() as cluster:
            say(f"Both nodes work: {cluster.roles()}")
            owner = cluster.haproxy_url(cluster.owner)
            done = live_server.run(Path(folder), "db", "upgrade", DATABASE_URL=owner)
            if done.returncode:
                raise ClusterError(done.stderr)
            named = cluster.hosts_url(cluster.service)
            through = cluster.haproxy_url(cluster.service)
            blows = [
                *try_way(cluster, NAMED, named, Path(folder), KILL, SWITCHOVER),
                *try_way(cluster, HAPROXY, through, Path(folder), *ALL),
            ]
        if is_recording:
            record(blows)
    except ClusterError as error:
        say(f"failover: {error}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
