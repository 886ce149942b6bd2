"""Passwords: hashed with Argon2id, verified as slowly for unknown users as for others.

Hashes that were made otherwise (imported ones, or with other settings) are an
exception: until a login renews one, verifying it takes the time that such a hash takes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError
from flask import Flask

from careers_users.auth import foreign_hashes
from careers_users.database import Row
from careers_users.extensions import Slot
from careers_users.http.errors import Unavailable
from careers_users.settings import Settings
from careers_users.validation import text

# How long a request waits for its turn to hash before it is told to come back.
HASH_QUEUE_SECONDS = 10.0
# The most memory and passes that the settings allow for a hash of ours.
_MEMORY_MAX_KIB = 1024**2
_PASSES_MAX = 20
# ... and both together in a hash that is imported: some seconds of a core.
_WORK_MAX_KIB = 4 * 1024**2
# Stored instead of a hash, so that sign-in is impossible; Django writes more behind it.
UNUSABLE = "!"


class HashingBusy(Unavailable):
    """More passwords are to be verified at once than can be."""

    code = "overloaded"


class Passwords:
    """Hashes and verifies, at most `concurrency` at a time.

    Argon2 takes memory and a core for tens of milliseconds on purpose (OWASP Password
    Storage: Argon2id, 19 MiB, 2 passes, 1 lane). Without a cap a flood of logins would
    take all of both from everybody else.
    """

    def __init__(self, memory_kib: int, time_cost: int, concurrency: int) -> None:
        self._hasher = PasswordHasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=1, type=Type.ID
        )
        self._turns = BoundedSemaphore(concurrency)
        self._waiting: Callable[[int], object] = lambda _change: None
        self._running: Callable[[int], object] = lambda _change: None
        # Verified when there is no such user, so that the answer takes as long.
        self._dummy = self._hasher.hash("nobody's password")

    def hash(self, password: str) -> str:
        """Return the hash to store for a password; HashingBusy if there is no turn."""
        with self._turn():
            return self._hasher.hash(password)

    def verify(self, stored: str | None, password: str) -> bool:
        """Return whether the password is the one hashed; `stored` may be None: no user.

        Raises HashingBusy if there is no turn.
        """
        if stored is not None and stored.startswith(UNUSABLE):
            stored = None
        foreign = None if stored is None else foreign_hashes.recognise(stored)
        with self._turn():
            if foreign is not None:
                # As it was typed: other frameworks know no normal form.
                return foreign.verify(password)
            try:
                return self._hasher.verify(
                    stored or self._dummy, text.nfc(password)
                ) and (stored is not None)
            except (Argon2Error, InvalidHashError):
                return False

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash was made by another scheme or with other parameters."""
        try:
            return self._hasher.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._waiting(1)
        try:
            has_turn = self._turns.acquire(timeout=HASH_QUEUE_SECONDS)
        finally:
            self._waiting(-1)
        if not has_turn:
            raise HashingBusy
        self._running(1)
        try:
            yield
        finally:
            self._running(-1)
            self._turns.release()

    def watch(
        self, waiting: Callable[[int], object], running: Callable[[int], object]
    ) -> None:
        """Call these with 1 and -1 as requests begin and end to wait, and to hash."""
        self._waiting, self._running = waiting, running


_SLOT = Slot[Passwords]("passwords")
passwords = _SLOT.get  # Return the hasher of the current application.


def scheme(stored: str) -> str | None:
    """Return the name of what made a hash; None for what can't be verified.

    `argon2id` is ours, `unusable` means that there is no password; other names are the
    first word of the hash, as Django and Werkzeug write it.
    """
    if stored.startswith(UNUSABLE):
        return "unusable"
    if foreign := foreign_hashes.recognise(stored):
        return foreign.scheme
    try:
        parameters = extract_parameters(stored)
    except InvalidHashError:
        return None
    is_fair = (
        foreign_hashes.is_bounded(parameters, _MEMORY_MAX_KIB, _PASSES_MAX)
        and parameters.memory_cost * parameters.time_cost <= _WORK_MAX_KIB
    )
    return "argon2id" if parameters.type is Type.ID and is_fair else None


def init_app(app: Flask, settings: Settings) -> Passwords:
    """Make the hasher of this application, with the parameters of `settings`."""
    hasher = Passwords(
        settings.argon2_memory_kib,
        settings.argon2_time_cost,
        settings.hashes_at_once,
    )
    _SLOT.set(app, hasher)
    return hasher


def verify(account: Row | None, password: str) -> bool:
    """Return whether a password is the account's; takes as long without an account."""
    stored = None if account is None else account["password_hash"]
    return passwords().verify(stored, password)
