"""Several processes on one port: replaced, and stopped together."""

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from copy import copy
from pathlib import Path

import pytest

from careers_users.server.connection_counts import (
    STUCK_SECONDS,
    ConnectionCounts,
)
from tests.server.small_server import (
    PATIENCE,
    Launch,
    Reply,
    Running,
    is_gone,
    needs_fork,
    read_reply,
    until,
)


def all_pids(server: Running, count: int, without: int = 0) -> set[int]:
    """Return the processes that answer, once they are `count` and none is `without`."""
    pids: set[int] = set()

    def enough() -> bool:
        # Held together, so that a busy process leaves some of them to the other.
        with ThreadPoolExecutor(8) as pool:
            for reply in pool.map(lambda _: server.get("/slow?s=0.02"), range(16)):
                pids.add(reply.json()["pid"])
        return len(pids - {without}) >= count

    until(enough)
    return pids - {without}


@needs_fork
@pytest.mark.parametrize("number", ["SIGTERM", "SIGKILL"])
def test_both_processes_serve_and_a_dead_one_is_replaced(
    launch: Launch, number: str
) -> None:
    running = launch(processes=2, threads=1).listening()
    assert "(2 processes, 1 thread each)" in running.log()
    first = all_pids(running, 2)
    assert len(first) == 2
    assert running.pid not in first
    victim = min(first)
    os.kill(victim, signal.Signals[number])
    running.wait_for(rf"Worker process {victim} has ended")
    assert running.get("/").status == 200
    second = all_pids(running, 2, without=victim)
    assert len(second - first) == 1
    running.send_signal(signal.SIGTERM)
    assert running.exit_code() == 0
    assert all(is_gone(pid) for pid in first | second)
    assert running.log().count("Listening on") == 1
    assert "ERROR waitress" not in running.log()


@needs_fork
def test_processes_end_with_their_parent(launch: Launch) -> None:
    running = launch(processes=2, threads=1).listening()
    pids = all_pids(running, 2)
    running.send_signal(signal.SIGKILL)
    running.process.wait(PATIENCE)
    until(lambda: all(is_gone(pid) for pid in pids))
    with socket.create_server(("127.0.0.1", running.port)):
        pass


def to_parent(running: Running) -> None:
    running.send_signal(signal.SIGTERM)


def ctrl_c(running: Running) -> None:
    os.killpg(running.pid, signal.SIGINT)


def to_everybody(running: Running) -> None:
    """Signal all processes of the group, as systemd does."""
    os.killpg(running.pid, signal.SIGTERM)


@needs_fork
@pytest.mark.parametrize("stop", [to_parent, ctrl_c, to_everybody])
def test_a_stop_of_several_processes_loses_nothing(
    launch: Launch, stop: Callable[[Running], None]
) -> None:
    running = launch(processes=2, threads=1).listening()
    pids = all_pids(running, 2)

    def hold() -> Reply:
        return running.get("/hold")

    with ThreadPoolExecutor(30) as pool:
        held: list[Future[Reply]] = []
        busy = 0
        while busy < 2:  # Until there is a running request in both.
            held.append(pool.submit(hold))
            assert len(held) < 30
            busy += running.sees("hold begins", 0.3) is not None
        stop(running)
        until(running.refuses)
        running.release()
        replies = [future.result(PATIENCE) for future in held]
    assert {reply.status for reply in replies} == {200}
    assert {reply.headers["Connection"] for reply in replies} == {"close"}
    assert {reply.json()["pid"] for reply in replies} == pids
    assert running.exit_code() == 0
    assert all(is_gone(pid) for pid in pids)


@needs_fork
def test_an_application_that_cannot_start_is_reported_once(
    launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / "broken").touch()
    running = launch(processes=2)
    assert running.exit_code() == 1
    assert "no database for the test" in running.log()
    assert "Listening" not in running.log()
    assert running.log().count("Traceback") <= 2


@needs_fork
def test_processes_that_keep_dying_are_given_up(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "short-lived").touch()
    running = launch(processes=2)
    assert running.exit_code() == 1
    assert running.log().count("Worker process") <= 6


@needs_fork
def test_connections_that_stay_are_shared_evenly(launch: Launch) -> None:
    running = launch(processes=2, threads=1).listening()
    all_pids(running, 2)
    with ExitStack() as stack:
        crowd = [stack.enter_context(running.connect()) for _ in range(40)]
        shares: Counter[int] = Counter()
        for sock in crowd:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            shares[read_reply(sock).json()["pid"]] += 1
    # Twenty each, but for those that came while a process was busy otherwise.
    assert len(shares) == 2
    assert min(shares.values()) >= 12


@needs_fork
def test_a_process_that_is_replaced_gets_its_share_again(launch: Launch) -> None:
    running = launch(processes=2, threads=1).listening()
    first = all_pids(running, 2)
    victim = min(first)
    with ExitStack() as stack:
        for _ in range(20):  # Noted when it dies, and no more then.
            stack.enter_context(running.connect())
        os.kill(victim, signal.SIGKILL)
        new = all_pids(running, 2, without=victim) - first
    assert len(new) == 1
    with ExitStack() as stack:
        crowd = [stack.enter_context(running.connect()) for _ in range(20)]
        pids = set()
        for sock in crowd:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            pids.add(read_reply(sock).json()["pid"])
    assert pids >= new


def test_a_stuck_process_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    mine = ConnectionCounts(2)
    other = copy(mine)  # Like a fork, which shares the memory.
    other.place = 1
    mine.update(5)
    assert not mine.is_above_others()  # The other has not begun.
    other.update(3)
    assert mine.is_above_others()
    assert not other.is_above_others()
    mine.update(4)
    assert not mine.is_above_others()  # By one there is no need.
    mine.update(9)
    now += STUCK_SECONDS
    mine.update(9)
    assert not mine.is_above_others()
    other.update(3)
    assert mine.is_above_others()
    other.clear(1)
    assert not mine.is_above_others()
