"""How many searches one process makes at once, and how long each may take.

No index makes the commonest words cheap: a word that half of all users have is half a
second of a core at a million users. Every search therefore takes one of a few *places*,
two less than there are threads: one thread may wait for a place, and one is always left
for other calls. The database ends a search after SEARCH_SECONDS. With one thread per
process there is one place, which protects nothing: serve with two or more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from flask import Flask
from sqlalchemy.exc import DBAPIError

from careers_users import database
from careers_users.database import errors
from careers_users.extensions import Slot
from careers_users.http.errors import Unavailable
from careers_users.settings import Settings

SEARCH_SECONDS = 2.0
# How long a search waits for a place.
WAIT_SECONDS = 1.0


class SearchBusy(Unavailable):
    """All places are taken, and none became free in time."""

    code = "overloaded"
    error = "Too many searches at once; please try again shortly"


class SearchTimedOut(Unavailable):
    """The database did not finish the search in SEARCH_SECONDS."""

    code = "search_timed_out"
    error = "This search takes too long; please search for more, or for longer words"


class SearchPlaces:
    """The places of one process, all of whose threads share them."""

    def __init__(self, threads: int) -> None:
        places = max(1, threads - 2)
        self._free = BoundedSemaphore(places)
        # Running or waiting, so that one thread is left.
        self._admitted = BoundedSemaphore(max(places, threads - 1))

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for the reads of this block, and bound their time.

        Raises SearchBusy or SearchTimedOut.
        """
        if not self._admitted.acquire(blocking=False):
            raise SearchBusy
        try:
            with self._turn():
                yield
        finally:
            self._admitted.release()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._free.acquire(timeout=WAIT_SECONDS):
            raise SearchBusy
        try:
            with database.reading_within(SEARCH_SECONDS):
                yield
        except DBAPIError as error:
            if errors.is_timed_out(error):
                raise SearchTimedOut from error
            raise
        finally:
            self._free.release()


_SLOT = Slot[SearchPlaces]("search_places")
search_places = _SLOT.get  # Return the places of the current application.


def init_app(app: Flask, settings: Settings) -> None:
    """Give `app` its places, by the threads of `settings`."""
    _SLOT.set(app, SearchPlaces(settings.threads))
