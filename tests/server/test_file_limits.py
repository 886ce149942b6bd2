"""How many connections a process can hold, by the limits of the system."""

import subprocess
import sys

import pytest

ASK = """
import logging, resource, sys
logging.basicConfig()
from careers_users.server.file_limits import room_for
wanted, soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(room_for(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no such limit"
)


def ask(wanted: int, soft: int, hard: int) -> tuple[list[int], str]:
    """Return the connections and the limits afterwards, and what was warned of."""
    command = [sys.executable, "-c", ASK, *map(str, (wanted, soft, hard))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [*map(int, done.stdout.split())], done.stderr


def test_enough_is_left_as_it_is() -> None:
    assert ask(100, 400, 500) == ([100, 400, 500], "")


def test_the_soft_limit_is_raised_as_far_as_need_be() -> None:
    assert ask(200, 100, 500) == ([200, 456, 500], "")


def test_beyond_the_hard_limit_there_are_fewer_connections() -> None:
    found, warning = ask(1000, 100, 300)
    assert found == [150, 300, 300]
    assert "300 open files; CAREERS_USERS_CONNECTION_LIMIT=1000 needs 1256" in warning


def test_connections_get_half_of_very_few_files() -> None:
    assert ask(1000, 50, 60)[0] == [30, 60, 60]
