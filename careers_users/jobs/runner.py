"""Runs jobs when they are due, in a thread beside requests or as a process of its own.

`create_app` registers the jobs. A job is a callable that does a part of the work and
returns how much that was; it is called until nothing is left.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from careers_users import clock, database
from careers_users.database.errors import if_possible, is_trouble, sentence
from careers_users.extensions import Slot
from careers_users.jobs import leases
from careers_users.jobs.leases import State

log = logging.getLogger(__name__)

# Between two looks at what is due: one read each, in every process that serves.
POLL_SECONDS = 15.0
# A job that has been due for so long is late, unless it says otherwise.
LATE_AFTER = timedelta(hours=1)
# How long the end of a process waits for the step under way, which is a short
# transaction; what it leaves goes on elsewhere once its lease has expired.
JOIN_SECONDS = 2.0
# A run ends after so long, with what is left for the next: other jobs are due too.
RUN_SECONDS = 60.0


class Unknown(Exception):
    """There is no job of that name."""


class Busy(Exception):
    """Another process holds the lease of the job."""


@dataclass(frozen=True)
class Job:
    """Work to be done at intervals.

    `step` does one part, in transactions of its own, and returns how many rows or
    messages that was; 0 says that nothing is left. It runs in an application context.
    """

    name: str
    interval: timedelta
    step: Callable[[], int]
    late_after: timedelta = LATE_AFTER


Ran = Callable[[str, bool], object]
Saw = Callable[[Mapping[str, State]], object]


class Registry:
    """The jobs of an application, by name, and those who watch them."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.ran: list[Ran] = []
        self.saw: list[Saw] = []


_SLOT = Slot[Registry]("jobs")
registry = _SLOT.get  # Return the jobs of an application.


def init_app(app: Flask, *jobs: Job) -> None:
    """Register the jobs of `app`; no thread is started here."""
    _SLOT.set(app, Registry(jobs))


def observe(app: Flask, *, ran: Ran, saw: Saw) -> None:
    """Watch the jobs of `app`.

    `ran` is called with the name of a job that this process has run, and whether it
    succeeded; `saw` now and then with the states of all, whichever process ran them.
    """
    registry(app).ran.append(ran)
    registry(app).saw.append(saw)


class Runner:
    """Runs the jobs of one application until an event is set."""

    def __init__(self, app: Flask, stop: threading.Event) -> None:
        self._app, self._stop = app, stop
        self._registry = registry(app)
        # Also of processes in containers, which all have the same number.
        self._holder = f"{socket.gethostname()[:30]}:{os.getpid()}:{uuid4().hex[:12]}"
        self._thread = threading.Thread(target=self.work, name="jobs", daemon=True)

    def start(self) -> None:
        """Run due jobs in a thread of their own; call it after a fork."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the thread has ended, which it does once the event is set."""
        self._thread.join(JOIN_SECONDS)

    def work(self) -> None:
        """Run due jobs until the event is set."""
        while not self._stop.wait(POLL_SECONDS):
            try:
                self.run_due()
            except SQLAlchemyError as error:
                log.warning("Jobs could not be looked at: %s", sentence(error))
            except Exception:
                log.exception("Jobs could not be run")

    def run_due(self) -> None:
        """Run each job that is due, once."""
        with self._app.app_context():
            found = leases.states(database.reader())
            for saw in self._registry.saw:
                saw(found)
            now = clock.utcnow()
            for job in self._registry.jobs.values():
                state = found.get(job.name, State(due_at=now))
                if self._stop.is_set():
                    return
                is_due = state.due_at <= now and state.is_free(now)
                # The claim looks again: another process may have been faster.
                if is_due and leases.claim(job.name, self._holder):
                    self._run(job)

    def run(self, name: str) -> int:
        """Run a job now, whether or not it is due; return how much it has done.

        Raises Unknown, Busy, or what the job raises.
        """
        job = self._registry.jobs.get(name)
        if job is None:
            raise Unknown(name)
        with self._app.app_context():
            if not leases.claim(name, self._holder, even_if_early=True):
                raise Busy(name)
            try:
                return self._steps(job)
            except BaseException:
                self._fail(job)
                raise

    def _run(self, job: Job) -> None:
        """Run a job whose lease is ours; its failure is logged, and stops nothing."""
        try:
            self._steps(job)
        except Exception as error:
            if isinstance(error, SQLAlchemyError) and is_trouble(error):
                log.warning("Job %s has failed: %s", job.name, sentence(error))
            else:
                log.exception("Job %s has failed", job.name)
            self._fail(job)

    def _steps(self, job: Job) -> int:
        begun, done = time.monotonic(), 0
        while part := job.step():
            done += part
            if time.monotonic() - begun > RUN_SECONDS:
                break  # On a busy service rows expire all the time.
            if self._stop.is_set():
                leases.release(job.name, self._holder)
                return done
            if not leases.extend(job.name, self._holder):
                log.warning("Job %s took too long; another process runs it", job.name)
                return done
        seconds = time.monotonic() - begun
        leases.succeed(job.name, self._holder, seconds, job.interval)
        self._tell(job, succeeded=True)
        level = logging.INFO if done else logging.DEBUG
        log.log(level, "Job %s: %d done in %.1f s", job.name, done, seconds)
        return done

    def _fail(self, job: Job) -> None:
        self._tell(job, succeeded=False)
        with if_possible(f"The failure of job {job.name} could not be noted"):
            leases.fail(job.name, self._holder)

    def _tell(self, job: Job, *, succeeded: bool) -> None:
        for ran in self._registry.ran:
            ran(job.name, succeeded)


def late(app: Flask, states: Mapping[str, State]) -> list[str]:
    """Return a sentence for each job of `app` that is late."""
    now, sentences = clock.utcnow(), []
    oldest = min((state.due_at for state in states.values()), default=now)
    for job in registry(app).jobs.values():
        # One that has never run is as late as the latest: nothing runs it.
        state = states.get(job.name) or State(due_at=oldest)
        if now - state.due_at > job.late_after:
            hours = (now - state.due_at).total_seconds() / 3600
            sentences.append(
                f"The job {job.name} is {hours:.1f} h late: {_why(state, now)}."
            )
    return sentences


def _why(state: State, now: datetime) -> str:
    if state.failures:
        return f"it has failed {state.failures} times in a row; the log says why"
    if not state.is_free(now):
        return f"{state.holder} is at it"
    return "no process runs jobs"
