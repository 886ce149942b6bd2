"""The needs of a served process: seconds until it answers, and memory under load."""

import itertools
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import calls, wrk
from benchmarks.calls import People
from benchmarks.contestants import Contestant
from benchmarks.serving import served, server_process

STARTS = 3
LOAD_SECONDS = 2


def measure(url: str, people: People) -> dict[str, Any]:
    """Return the median seconds of a start, and the megabytes of a process.

    The time is from the start of the command to an open port, which is when the first
    worker process is ready. The memory is the largest process's resident set, after
    two seconds of each reading call.
    """
    seconds = []
    for last in [False] * (STARTS - 1) + [True]:
        begun = time.perf_counter()
        with served(url, processes=2, threads=2) as port:
            calls.ask(port, "/health/ready")
            seconds.append(time.perf_counter() - begun)
            if last:
                megabytes = _under_load(Contestant("ours", port), people)
    return {
        "seconds": round(statistics.median(seconds), 2),
        "megabytes": round(megabytes, 1),
    }


def _under_load(contestant: Contestant, people: People) -> float:
    calls.sign_in(contestant, people)
    for call in calls.CALLS:
        if not call.writes:
            requests = call.requests(call, contestant, people, 0)
            wrk.run(contestant.port, requests, LOAD_SECONDS)
    pid = server_process(contestant.port)
    return max(map(_resident, itertools.chain([pid], _children(pid)))) / 1024


def _children(pid: int) -> Iterator[int]:
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        yield from map(int, path.read_text().split())


def _resident(pid: int) -> int:
    """Return the resident set of a process in KiB (proc(5), VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sizes = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(sizes[0]) if sizes else 0
