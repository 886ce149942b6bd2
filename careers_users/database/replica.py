"""Reads that may lag, from a replica: while it answers, and is not far behind.

How far is known without comparing clocks. Once a second the primary is asked how far
its log has grown, which makes a *mark*, and each connection to the replica how far it
has replayed that log: if as far, it holds all that was committed before the mark.
docs/decisions/0015-read-replicas.md has the reasons.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import BigInteger, event, literal_column, select
from sqlalchemy.exc import InvalidatePoolError, SQLAlchemyError

from careers_users.database import errors, target
from careers_users.database.engine import probing_engine
from careers_users.database.query import Query
from careers_users.database.replica_connections import hang_up, make_engine, state_of
from careers_users.extensions import Slot
from careers_users.server import status
from careers_users.settings import Settings

log = logging.getLogger(__name__)
T = TypeVar("T")

# How often marks are made, connections are asked how far they are, and a replica that
# is behind, or away, is tried again.
LOOK_SECONDS = 1.0
# How long a new connection may take; and a read, before the watcher looks whether the
# replica still answers.
PATIENCE_SECONDS = 2
# Writes are dated by the beginning of their transaction. None takes longer than this,
# or than it waits for the locks that a follow needs.
TRANSACTION_SECONDS = 30
_LOCKS = 6
# SQLSTATEs of reads that were in the way of the replay: cancelled for it, or waiting
# too long for what it has locked. The replica is well.
_IN_THE_WAY = ("40001", "40P01", "55P03")
_TOO_SLOW = "57014"  # The primary would not be faster.

# The end of the log on disk: no more is sent to replicas. A commit that did not wait
# for the disk (synchronous_commit) is there a little later, well within
# TRANSACTION_SECONDS. Null on a server that is a standby itself, as after a failover.
_GROWN = Query(
    select(
        literal_column(
            "CASE WHEN NOT pg_is_in_recovery()"
            " THEN (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint END",
            BigInteger(),
        ).label("position")
    )
)
# Some balancers lead to the primary when there is no replica left.
REPLAYED = (
    "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
    " ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::bigint"
)


class Behind(Exception):
    """The replica is too far behind, or that it is not can't be told yet."""


def init_app(app: Flask, settings: Settings) -> None:
    """Let reads of `app` go to the replica of `settings`, if there is one.

    After the database; nothing is connected yet.
    """
    has_one = settings.database_read_url is not None
    _SLOT.set(app, Replica(app, settings) if has_one else None)


class Replica:
    """The replica as one process knows it."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        """Connect nothing yet: the process may still be forked."""
        self.max_lag: float = settings.db_read_max_lag
        # Users who have written within this time must read from the primary.
        longest = max(TRANSACTION_SECONDS, _LOCKS * settings.db_lock_timeout)
        self.settling = timedelta(seconds=self.max_lag + longest)
        # By then the server itself would have ended a read.
        self._hopeless = settings.db_statement_timeout + PATIENCE_SECONDS
        self.engine = make_engine(settings, PATIENCE_SECONDS, self._checked_out)
        self._target = target.Target(self.engine, settings, target.observers(app))
        self._probe = probing_engine(settings, PATIENCE_SECONDS, settings.read_url)
        self._marks: tuple[tuple[float, int], ...] = ()
        self._marked = self._rested = -math.inf
        self._is_away = self._is_behind = False
        self._busy: dict[Any, float] = {}  # Connections at work, since when.
        event.listen(self.engine, "checkin", lambda _, record: self._free(record))
        self._lock = threading.Lock()
        self._watcher: threading.Thread | None = None
        self._told: Callable[[bool], object] = lambda _is_used: None

    def tell(self, told: Callable[[bool], object]) -> None:
        """Tell, now and after every change, whether it is used."""
        self._told = told
        told(True)

    def _become(self, *, away: bool | None = None, behind: bool | None = None) -> None:
        self._is_away = self._is_away if away is None else away
        self._is_behind = self._is_behind if behind is None else behind
        self._told(not (self._is_away or self._is_behind))

    def read(self, view: Callable[[], T]) -> T:
        """Return what `view` returns, all of whose reads come from one place.

        From the replica; if it can't be asked, or fails on the way, from the primary.
        """
        if not self._is_usable():
            return view()
        try:
            with target.reading_from(self._target):
                return view()
        except Behind:
            self._rested = time.monotonic()
        except SQLAlchemyError as error:
            if not self._is_excused(error):
                raise
        return view()

    def _is_excused(self, error: SQLAlchemyError) -> bool:
        """Return whether to ask the primary; take a failing replica out of use."""
        code = getattr(getattr(error, "orig", None), "sqlstate", None)
        if code == _TOO_SLOW:
            return False
        if code in _IN_THE_WAY:
            log.info("A read was in the way of the replica: %s", errors.reason(error))
        else:
            self._leave(errors.reason(error))
        return True

    # --------------------------------------------------------------- how far it is

    def _is_usable(self) -> bool:
        """Return whether it may be asked now; once a second, make a mark."""
        now = time.monotonic()
        if self._is_away or now - self._rested < LOOK_SECONDS:
            return False
        with self._lock:
            is_time = now - self._marked >= LOOK_SECONDS
            if is_time:
                self._marked = math.inf  # One at a time.
        if is_time:
            try:
                self._watch()
                self._mark(now)
            finally:
                self._marked = time.monotonic()
        return bool(self._marks)

    def _mark(self, now: float) -> None:
        """Make a mark and remember it; of those out of date only the newest is kept."""
        try:
            row = _GROWN.one()
        except SQLAlchemyError as error:
            # The replica may be asked for as long as it is known to be recent enough.
            log.warning("The primary is in trouble: %s", errors.sentence(error))
            return
        if row is None or row["position"] is None:
            return
        marks = (*self._marks, (now, row["position"]))
        while len(marks) > 1 and marks[1][0] <= now - self.max_lag:
            marks = marks[1:]
        self._marks = marks

    def _checked_out(self, connection: Any, record: Any, _proxy: object) -> None:
        """Refuse a connection that is not known to be recent enough.

        Each is asked for itself: there may be several replicas behind one address.
        """
        now = time.monotonic()
        state = state_of(record)
        self._busy[record] = now
        try:
            if now - state.asked >= LOOK_SECONDS:
                replayed = connection.execute(REPLAYED).fetchone()[0]
                state.asked, state.complete_to = now, self._complete_to(replayed)
            if now - state.complete_to > self.max_lag:
                raise Behind
        except Behind:
            self._free(record)
            raise
        except Exception as error:
            self._free(record)
            # The pool throws its connections away and hands out a new one.
            raise InvalidatePoolError("The replica was lost while idle.") from error

    def _free(self, record: Any) -> None:
        self._busy.pop(record, None)

    def _complete_to(self, replayed: int | None) -> float:
        """Return the time of the newest mark that has been replayed."""
        marks = self._marks
        for made, position in reversed(marks):
            if replayed is not None and replayed >= position:
                if self._is_behind and made > time.monotonic() - self.max_lag:
                    self._become(behind=False)
                    log.warning("The replica has caught up, and is used again.")
                return made
        if marks and marks[0][0] <= time.monotonic() - self.max_lag:
            self._say(f"it is more than {self.max_lag:.0f} s behind", self._is_behind)
            self._become(behind=True)
        return -math.inf

    # ------------------------------------------------------------ whether it is there

    def _leave(self, reason: str) -> None:
        """Ask it no more, until the watcher has found that it answers."""
        with self._lock:
            was_away = self._is_away
            self._become(away=True)
        self._say(reason, was_away)

    def _say(self, reason: str, is_known: bool) -> None:
        sentence = f"The replica is not used: {reason}."
        status.warn("replica", sentence)
        if not is_known:
            log.warning("%s The primary answers instead.", sentence)

    def _watch(self) -> None:
        with self._lock:
            # None of the parent's threads run in a forked process.
            if self._watcher is None or not self._watcher.is_alive():
                self._watcher = threading.Thread(target=self._go_on, daemon=True)
                self._watcher.start()

    def _go_on(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                self._look()
            except Exception:
                log.exception("Looking after the replica failed")

    def _look(self) -> None:
        """Look whether it answers, if it is away or keeps a read waiting."""
        now = time.monotonic()
        for record, since in [*self._busy.items()]:
            # Even if a server answers below, this read will not end.
            if since < now - self._hopeless:
                self._leave("a read there does not end")
                hang_up(record)
        late = now - PATIENCE_SECONDS
        if not self._is_away and all(since > late for since in [*self._busy.values()]):
            return
        try:
            with self._probe.connect() as connection:
                connection.exec_driver_sql("SELECT 1")
        except SQLAlchemyError as error:
            self._leave(errors.reason(error))
            for record in [*self._busy]:
                hang_up(record)
        else:
            if self._is_away:
                self._become(away=False)
                log.warning("The replica answers, and is used again.")


_SLOT = Slot[Replica | None]("replica")
current = _SLOT.get  # Return the replica of the current application, if it has one.
