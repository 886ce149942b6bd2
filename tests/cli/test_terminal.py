"""Commands on a real terminal: a progress bar, and a question for a password."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest

from tests.api import PASSWORD
from tests.live_server import COMMAND, PATIENCE, environment, run

pty = pytest.importorskip("pty", reason="there are no pseudo terminals here")


def on_a_terminal(
    folder: Path, *words: str, answers: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit code and the screen.

    Each of `answers` is typed when it is asked for: at a colon that ends the screen.
    """
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *words],
        cwd=folder,
        env=environment({}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        given_up = Timer(PATIENCE, process.kill)
        given_up.start()
        screen, left = b"", list(answers)
        with suppress(OSError):  # Linux says so when the last one has hung up.
            while piece := os.read(ours, 4096):
                screen += piece
                if screen.endswith(b": ") and left:
                    os.write(ours, f"{left.pop(0)}\n".encode())
        code = process.wait(PATIENCE)
        given_up.cancel()
    os.close(ours)
    return code, screen.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
def test_long_work_shows_a_bar(tmp_path: Path) -> None:
    code, screen = on_a_terminal(tmp_path, "demo", "--users", "50", "--edges", "90")
    assert code == 0, screen
    for label, number in (("Users", 50), ("Counters", 50), ("Follows", 90)):
        assert f"{label}  [####################################]" in screen
        assert f"{number}/{number}" in screen


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
def test_a_password_is_asked_for_twice_and_not_shown(tmp_path: Path) -> None:
    words = ("users", "create", "alice", "alice@example.com")
    assert run(tmp_path, "users", "list").returncode == 0
    code, screen = on_a_terminal(tmp_path, *words, answers=(PASSWORD, PASSWORD))
    assert code == 0, screen
    assert "Created alice, number 1." in screen
    assert screen.count("Password: ") == 1
    assert "Repeat for confirmation: " in screen
