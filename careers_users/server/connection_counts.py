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
    """The counts of all processes, in memory that they share once forked.

    `place` is where this process counts; a child sets it after the fork.
    """

    place = 0

    def __init__(self, processes: int) -> None:
        size = _NUMBER_BYTES * processes
        self._numbers = memoryview(mmap.mmap(-1, size)).cast("d")
        self._updated = memoryview(mmap.mmap(-1, size)).cast("d")
        for place in range(processes):
            self.clear(place)

    def clear(self, place: int) -> None:
        """Note that no process accepts connections at that place."""
        self._numbers[place] = math.inf

    def update(self, connections: int) -> None:
        """Set how many connections this process has."""
        self._numbers[self.place] = connections
        self._updated[self.place] = time.monotonic()

    def is_above_others(self) -> bool:
        """Return whether a process with fewer connections should accept the next."""
        late = time.monotonic() - STUCK_SECONDS
        counts = zip(self._numbers, self._updated, strict=True)
        fewest = min((n for n, updated in counts if updated > late), default=math.inf)
        return self._numbers[self.place] > fewest + 1
