"""From one generation of the server to the next: the door, and two pipes.

A generation is the same command, started afresh: it imports the code that is installed
now, and reads the settings that are set now. What it is given it finds in its
environment.
"""

import json
import os
import sys
from typing import NamedTuple

# Not CAREERS_USERS_...: that would be taken for a setting.
VARIABLE = "_CAREERS_USERS_HANDOVER"
# As it was before a file `.env` was read: the next generation reads that file itself.
_ENVIRONMENT = dict(os.environ)


class Handover(NamedTuple):
    """What a generation is given by the process that stays.

    File descriptors: the listening socket, the end of a pipe for a byte once all is
    ready, and that of one which ends with the giver. And the giver's HOST and PORT.
    """

    listener: int
    report: int
    alive: int
    host: str
    port: int


def take() -> Handover | None:
    """Return what this process was given; None if it is the first generation."""
    given = os.environ.pop(VARIABLE, None)
    return None if given is None else Handover(*json.loads(given))


def give(handover: Handover) -> int:
    """Start the next generation with this; return its process id."""
    # Not sys.argv: options of the interpreter belong to the command too.
    words = [sys.executable, *sys.orig_argv[1:]]
    given = {**_ENVIRONMENT, VARIABLE: json.dumps(handover)}
    for fd in handover[:3]:
        os.set_inheritable(fd, True)
    try:
        # With no signal blocked, and none of our handlers.
        return os.posix_spawn(sys.executable, words, given, setsigmask=[])
    finally:
        for fd in handover[:3]:
            os.set_inheritable(fd, False)


class Terminal:
    """Whether the terminal is gone from which this process was started.

    Its end is told by the same signal (SIGHUP) by which operators ask for a restart.
    """

    def __init__(self) -> None:
        self._had_one = _has_terminal()

    def is_gone(self) -> bool:
        """Tell whether there was one, and it has been closed since."""
        return self._had_one and not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
