"""How many connections each process of a server has, so that all have about as many.

The processes listen at one door, and whoever is awake first lets a newcomer in. Clients
and proxies keep their connections, so a process that was lucky once would have all the
work for as long as they last, and the other cores none.
"""

import math
import mmap
import time

_SIZE = 8  # Bytes of a number.
# A process notes its number about once a second, if it is not stuck.
STUCK_SECONDS = 3.0


class Shares:
    """The numbers of all processes, in memory that they share once forked."""

    def __init__(self, processes: int) -> None:
        size = _SIZE * processes
        self.numbers = memoryview(mmap.mmap(-1, size)).cast("d")
        self.noted = memoryview(mmap.mmap(-1, size)).cast("d")
        for place in range(processes):
            self.leave(place)

    def leave(self, place: int) -> None:
        """Note that nobody at that place lets anybody in."""
        self.numbers[place] = math.inf


class Share:
    """That of one process."""

    def __init__(self, shares: Shares, place: int) -> None:
        self._shares, self._place = shares, place

    def note(self, connections: int) -> None:
        """Note how many connections it has."""
        self._shares.numbers[self._place] = connections
        self._shares.noted[self._place] = time.monotonic()

    def leave(self) -> None:
        """Note that it lets nobody in any more."""
        self._shares.leave(self._place)

    def is_ahead(self) -> bool:
        """Tell whether another process should rather let in the next one."""
        late = time.monotonic() - STUCK_SECONDS
        numbers = zip(self._shares.numbers, self._shares.noted, strict=True)
        fewest = min((n for n, noted in numbers if noted > late), default=math.inf)
        return self._shares.numbers[self._place] > fewest + 1
