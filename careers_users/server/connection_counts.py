"""How many connections each process of a server has, so that all have about as many.

The processes accept from one socket, and the one that wakes up first gets a connection.
Clients and proxies keep their connections open, so without this a process that was
lucky once would have all the work, and the other cores none.
"""

import math
import mmap
import time

_NUMBER_BYTES = 8
# A process updates its count about once a second, unless it is stuck.
STUCK_SECONDS = 3.0


class ConnectionCounts:
    """The counts of all processes, in memory that they share once forked."""

    def __init__(self, processes: int) -> None:
        size = _NUMBER_BYTES * processes
        self.numbers = memoryview(mmap.mmap(-1, size)).cast("d")
        self.updated = memoryview(mmap.mmap(-1, size)).cast("d")
        for place in range(processes):
            self.clear(place)

    def clear(self, place: int) -> None:
        """Note that no process accepts connections at that place."""
        self.numbers[place] = math.inf


class ConnectionCount:
    """The count of one process."""

    def __init__(self, counts: ConnectionCounts, place: int) -> None:
        self._counts, self._place = counts, place

    def update(self, connections: int) -> None:
        """Set how many connections this process has."""
        self._counts.numbers[self._place] = connections
        self._counts.updated[self._place] = time.monotonic()

    def clear(self) -> None:
        """Note that this process accepts no further connections."""
        self._counts.clear(self._place)

    def is_above_others(self) -> bool:
        """Return whether a process with fewer connections should accept the next."""
        late = time.monotonic() - STUCK_SECONDS
        counts = zip(self._counts.numbers, self._counts.updated, strict=True)
        fewest = min((n for n, updated in counts if updated > late), default=math.inf)
        return self._counts.numbers[self._place] > fewest + 1
