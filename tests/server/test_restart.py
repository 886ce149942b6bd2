"""A restart without a gap (SIGHUP): what is new then, and what becomes of a bad one."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import live_server
from tests.conftest import migrate
from tests.live_server import KEY, Client, Server, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

# Stands for an installed version: what it says instead of "can't be understood".
CODE = """
from careers_users import __main__ as commands
from careers_users.http import refusals
refusals.REFUSALS[400] = ("malformed_request", "version {version}")
commands.main()
"""
# Is ready to take over just when it is told to stop.
LATE = """
import os, signal
from careers_users.server import handover
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
given = handover.take()
os.write(2, b"It takes its time\\n")
signal.sigwait([signal.SIGTERM])
os.write(given.report, b".")
"""
TWO = ("--processes", "2", "--threads", "2")


class Installed:
    """A server of which code and settings can be exchanged while it runs."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder, self.script = folder, folder / "careers-users"
        self.install("one")
        url = f"sqlite:///{folder / 'restart.db'}"
        migrate(url)
        settings = {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
        command = [sys.executable, str(self.script), "serve"]
        self.server = Server(folder, *words, command=command, **settings)
        assert self.server.port

    def install(self, version: str) -> None:
        """Install another version of the code."""
        self.script.write_text(CODE.format(version=version))

    def configure(self, **settings: str) -> None:
        """Write another file `.env`."""
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (self.folder / ".env").write_text("".join(lines))

    def hang_up(self, expected: str) -> None:
        """Send SIGHUP, and wait until the log says so once more."""
        before = self.server.log.count(expected)
        os.kill(self.server.pid, signal.SIGHUP)
        until(lambda: self.server.log.count(expected) > before)

    def restart(self) -> int:
        """Restart it; return the process that has taken over."""
        self.hang_up("has taken over")
        return int(self.server.log.rpartition(" has taken over")[0].split()[-1])

    def version(self) -> str:
        """Ask it for the version of its code."""
        with socket.create_connection(("127.0.0.1", self.server.port)) as sock:
            sock.sendall(b"nonsense\r\n\r\n")
            return sock.makefile().read().rpartition("version ")[2].partition(".")[0]

    def has_documents(self) -> bool:
        """Ask it for the effect of a setting."""
        with Client(self.server.port) as client:
            return client.call("GET", "/openapi.json").status == 200


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    """A server with two processes."""
    running = Installed(tmp_path, *TWO)
    with running.server:
        yield running


def test_a_restart_serves_new_code_and_new_settings(installed: Installed) -> None:
    assert (installed.version(), installed.has_documents()) == ("one", True)
    installed.install("two")
    installed.configure(CAREERS_USERS_DOCS="false", CAREERS_USERS_PROCESSES="9")
    installed.restart()
    until(lambda: installed.version() == "two" and not installed.has_documents())
    # What the command line says stays, and what was in a file before does not.
    assert installed.server.log.count("(2 processes, 2 threads each)") == 2
    installed.install("three")
    installed.configure()
    installed.restart()
    until(lambda: installed.version() == "three" and installed.has_documents())
    assert installed.server.stop() == 0
    assert "Traceback" not in installed.server.log


def test_what_cannot_start_changes_nothing(installed: Installed) -> None:
    nothing = "It has not started"
    installed.install("two")
    installed.configure(CAREERS_USERS_DRAIN_TIMEOUT="soon")
    installed.hang_up(nothing)
    assert "CAREERS_USERS_DRAIN_TIMEOUT: Not a valid integer" in installed.server.log
    assert installed.version() == "one"

    installed.configure()
    installed.script.write_text("this is no program")
    installed.hang_up(nothing)
    assert "SyntaxError" in installed.server.log
    assert installed.version() == "one"

    installed.install("two")
    installed.restart()
    until(lambda: installed.version() == "two")
    # The same again, when it is no longer the first one that serves.
    installed.script.write_text("this is no program")
    installed.hang_up(nothing)
    assert installed.version() == "two"
    assert installed.server.stop() == 0


def test_a_stop_while_the_next_one_starts_is_a_stop(installed: Installed) -> None:
    installed.script.write_text(LATE)
    installed.hang_up("It takes its time")
    assert installed.server.stop() == 0
    # Nobody was asked to leave, and to wait for clients, who had been told to stop.
    assert "has taken over" not in installed.server.log


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_who_was_started_and_who_serves_live_and_die_together(
    installed: Installed, number: signal.Signals
) -> None:
    os.kill(installed.restart(), number)
    until(lambda: "has ended by itself" in installed.server.log)
    assert installed.server.wait() == 1
    with pytest.raises(ConnectionRefusedError):
        installed.version()


def test_nobody_outlives_who_was_started(installed: Installed) -> None:
    installed.restart()
    os.kill(installed.server.pid, signal.SIGKILL)

    def is_refused() -> bool:
        try:
            installed.version()
        except OSError:
            return True
        return False

    until(is_refused)


def test_one_process_is_not_restarted_and_says_so(tmp_path: Path) -> None:
    running = Installed(tmp_path, "--processes", "1")
    with running.server:
        running.hang_up("A restart without a gap takes CAREERS_USERS_PROCESSES of 2")
        assert running.version() == "one"
        assert running.server.stop() == 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_end_of_its_terminal_is_a_stop(tmp_path: Path, processes: str) -> None:
    pid, terminal = os.forkpty()
    if pid == 0:
        try:
            words = ("serve", "--processes", processes)
            env = live_server.environment(live_server.SERVING)
            os.chdir(tmp_path)
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
