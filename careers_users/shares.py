"""How many connections each process of a server has, so that all have about as many.

The processes listen at one door, and whoever is awake first lets a newcomer in. Clients
and proxies keep their connections, so a process that was lucky once would have all the
work for as long as they last, and the other cores none.
"""

import mmap

_NOBODY = 2**32 - 1


class Shares:
    """The numbers of all processes, in memory that they share once forked."""

    def __init__(self, processes: int) -> None:
        self.numbers = memoryview(mmap.mmap(-1, 4 * processes)).cast("I")
        for place in range(processes):
            self.leave(place)

    def leave(self, place: int) -> None:
        """Note that nobody at that place lets anybody in."""
        self.numbers[place] = _NOBODY


class Share:
    """That of one process."""

    def __init__(self, shares: Shares, place: int) -> None:
        self._shares, self._place = shares, place

    def note(self, connections: int) -> None:
        """Note how many connections it has."""
        self._shares.numbers[self._place] = connections

    def leave(self) -> None:
        """Note that it lets nobody in any more."""
        self._shares.leave(self._place)

    def is_ahead(self) -> bool:
        """Tell whether another process should rather let in the next one."""
        numbers = self._shares.numbers
        return numbers[self._place] > min(numbers) + 1
