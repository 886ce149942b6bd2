"""Servers of a benchmark: started as they are in production, stopped in any case."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SERVE = "from careers_users.__main__ import main; main()"
START_SECONDS = 60
STOP_SECONDS = 30
# The benchmarks' signing key: of this run, and the same for all servers in it.
KEY = secrets.token_hex(32)
_running: dict[int, int] = {}


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment, with no settings of the service but these."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CAREERS_USERS_")
    }
    return kept | variables


def service_environment(url: str) -> dict[str, str]:
    """Return the environment of the service on the database at `url`."""
    return environment(
        DATABASE_URL=url,
        CAREERS_USERS_JWT_SECRET_KEY=KEY,
        # All clients of a benchmark have one address.
        CAREERS_USERS_RATELIMIT_ENABLED="false",
    )


@contextmanager
def served(url: str, *, processes: int = 1, threads: int = 4) -> Iterator[int]:
    """Serve the database at `url` with `careers-users serve`; give the port."""
    port = free_port()
    command = [sys.executable, "-c", SERVE, "serve", "--host", "127.0.0.1"]
    numbers = {"--port": port, "--processes": processes, "--threads": threads}
    for option, number in numbers.items():
        command += [option, str(number)]
    with started(command, port, service_environment(url)):
        yield port


def server_process(port: int) -> int:
    """Return the process id of the server that `started` runs on this port."""
    return _running[port]


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def started(
    command: Sequence[str], port: int, variables: dict[str, str], cwd: Path = ROOT
) -> Iterator[None]:
    """Run a server that listens on `port`.

    SystemExit, with what it wrote, if it ends or does not listen within a minute.
    """
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, cwd=cwd, env=variables, stdout=log, stderr=log
        )
        try:
            _wait_for(process, port, log)
            _running[port] = process.pid
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Any) -> None:
    given_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < given_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    log.seek(0)
    raise SystemExit(f"{process.args!r} does not start:\n{log.read()}")
