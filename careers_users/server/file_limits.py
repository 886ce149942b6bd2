"""How many files and sockets this process may have open at once."""

import logging
import sys

if sys.platform != "win32":
    import resource

log = logging.getLogger(__name__)

SPARE_FILES = (
    256  # For the database, logs, pipes, and what libraries open for a moment.
)


def room_for(connections: int) -> int:
    """Return how many connections this process can hold, `connections` if possible.

    The system's soft limit is raised as far as its hard one. Without a descriptor left
    a connection could neither be accepted nor be refused.
    """
    if sys.platform == "win32":
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):  # The kernel has a limit of its own, as on macOS.
        allowed = soft
    if allowed < wanted:
        log.warning(
            "This system lets a process have %d open files; CAREERS_USERS_CONNECTION_"
            "LIMIT=%d needs %d. Until `ulimit -Hn` is raised there are fewer "
            "connections.",
            *(allowed, connections, wanted),
        )
    return min(connections, max(allowed - SPARE_FILES, allowed // 2))
