"""Signals that stop the server, and those that it only notes."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests import live_server
from tests.server.small_server import Launch, needs_fork, needs_posix, until


@needs_posix
@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=needs_fork)])
@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1", "SIGUSR2"])
def test_signals_of_log_rotation_end_nothing(
    launch: Launch, name: str, processes: int
) -> None:
    running = launch(processes=processes).listening()
    os.killpg(running.pid, getattr(signal, name))
    running.wait_for(f"{name} changes nothing")
    assert running.get("/").status == 200
    os.kill(running.get("/").json()["pid"], getattr(signal, name))
    assert running.get("/").status == 200
    running.send_signal(signal.SIGTERM)
    assert running.exit_code() == 0
    assert "has ended by itself" not in running.log()


@needs_posix
@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=needs_fork)])
def test_sigquit_stops_gracefully(launch: Launch, processes: int) -> None:
    running = launch(processes=processes, threads=1).listening()
    with running.connect() as sock:
        sock.sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        running.wait_for("hold begins")
        os.killpg(running.pid, signal.SIGQUIT)
        until(running.refuses)
        running.release()
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert running.exit_code() == 0


@needs_fork
@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_end_of_its_terminal_is_a_stop(tmp_path: Path, processes: str) -> None:
    pid, terminal = os.forkpty()
    if pid == 0:
        try:
            words = ("serve", "--processes", processes)
            env = live_server.environment(live_server.SERVING)
            os.chdir(tmp_path)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # Also under nohup(1).
            os.execve(sys.executable, [*live_server.COMMAND, *words], env)
        finally:
            os._exit(1)
    said = b""
    while not (match := live_server.LISTENING.search(said.decode())):
        said += os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(match[1]))).close()


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that have not ended."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_worker_that_is_told_to_stop_twice_answers_what_it_has(
    launch: Launch,
) -> None:
    running = launch(processes=2, threads=1).listening()
    with running.connect() as sock:
        sock.sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        running.wait_for("hold begins")
        os.killpg(running.pid, signal.SIGTERM)
        until(running.refuses)
        workers = children(running.pid)
        assert workers
        for pid in workers:
            os.kill(pid, signal.SIGTERM)
        running.release()
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert running.exit_code() == 0
