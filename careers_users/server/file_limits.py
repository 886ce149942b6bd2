"""How many files and sockets this process may have open at once."""

import logging
import sys

if sys.platform != "win32":
    import resource

log = logging.getLogger(__name__)

SPARE = 256  # For the database, logs, pipes, and what libraries open for a moment.


def room_for(connections: int) -> int:
    """Return how many connections this process can hold, `connections` if possible.

    The system's soft limit is raised as far as its hard one. Without, whoever comes
    when no descriptor is left could not be let in, nor be told to go away.
    """
    if sys.platform == "win32":
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
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
    return min(connections, max(allowed - SPARE, allowed // 2))
