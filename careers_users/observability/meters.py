"""The metrics for Prometheus, and how they change.

docs/monitoring.md lists them. No label ever holds what a client typed: routes are
rules, and paths that match none share one value.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from careers_users.database.replica import Replica
from careers_users.http.context import Exchange
from careers_users.jobs.leases import State

try:
    import prometheus_client as prometheus
    from prometheus_client import multiprocess, values
    from prometheus_client.registry import Collector
except ImportError:  # The extra `metrics` is not installed.
    AVAILABLE = False
    Collector = object  # type: ignore[assignment, misc]
else:
    AVAILABLE = True

_IN_USE = "careers_users.in_use"
# Where the processes of one server count together; prometheus-client's own variable.
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Seconds: from a read of one row to a login that waited for its turn.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# How a call ended, by the status of its reply.
OUTCOMES = {
    200: "succeeded",
    201: "succeeded",
    400: "malformed",
    401: "refused",
    403: "refused",
    404: "refused",
    409: "refused",
    413: "malformed",
    415: "malformed",
    429: "throttled",
    503: "unavailable",
}
_OTHERWISE = "failed"
_FOLLOWS = "follows", "Follows, by how they ended."
_UNFOLLOWS = "unfollows", "Unfollows, by how they ended."
_BLOCKS = "blocks", "Blocks, by how they ended."
_MUTES = "mutes", "Mutes, by how they ended."
# The calls that are counted by their outcome, by endpoint; some of them together.
FLOWS = {
    "auth.register": ("registrations", "Registrations, by how they ended."),
    "auth.login": ("logins", "Logins, by how they ended."),
    "sessions.refresh_tokens": (
        "refreshes",
        "Uses of refresh tokens, by how they ended.",
    ),
    "follow.follow": _FOLLOWS,
    "follow.ensure_following": _FOLLOWS,
    "follow.unfollow": _UNFOLLOWS,
    "follow.ensure_not_following": _UNFOLLOWS,
    "blocks.block": _BLOCKS,
    "blocks.mute": _MUTES,
}

# Two functions, each called with 1 and -1 as something begins and ends.
Watch = Callable[[Callable[[int], object], Callable[[int], object]], None]


class Meters:
    """All numbers of one application, in a registry of its own.

    With several processes each writes its numbers into a file of its own in DIRECTORY,
    and `exposition` adds them up; of processes that have ended, counters stay.
    """

    def __init__(self) -> None:
        self._is_shared = DIRECTORY in os.environ
        # The library decides this when it is imported, which is before the directory
        # is there.
        values.ValueClass = (
            values.MultiProcessValue()  # type: ignore[no-untyped-call]
            if self._is_shared
            else values.MutexValue
        )
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = prometheus.CollectorRegistry()
        labels = ("method", "rule", "status")
        self._seconds = prometheus.Histogram(
            "careers_users_request_seconds",
            "Time from a request's start to its reply, in seconds.",
            labels,
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._in_flight = self.gauge("requests_in_flight", "Requests being served.")
        flows = {
            name: self.counter(name, text, "outcome")
            for name, text in dict(FLOWS.values()).items()
        }
        self._flows = {endpoint: flows[name] for endpoint, (name, _) in FLOWS.items()}
        for flow in flows.values():
            # From 0, so that a rate sees the first of a kind.
            for outcome in (*OUTCOMES.values(), _OTHERWISE):
                flow.labels(outcome)
        self._events = self.counter(
            "security_events", "Security events, by name.", "event"
        )
        self.overloaded: Callable[[], object] = self.counter(
            "overloaded", "Requests refused with 503 for want of a free thread."
        ).inc
        self._watch_jobs()
        self._watch_health()
        # Looking children up by their labels takes longer than counting.
        self._children: dict[tuple[str, str, int], Any] = {}

    def _watch_health(self) -> None:
        build = self.gauge("build_info", "Processes, by their version.", "version")
        build.labels(version("careers_users")).set(1)
        self._ready = self.gauge(
            "ready",
            "Whether /health/ready is 200, in the process that was asked.",
            together="mostrecent",
        )
        # A label, since a gauge without any is 0 before it is set: a full disk.
        self._free = self.gauge(
            "disk_free_bytes",
            "Room on the disk of the database, where it can be seen: SQLite.",
            "disk",
            together="mostrecent",
        )

    def _watch_jobs(self) -> None:
        self._jobs = self.counter(
            "jobs", "Runs of background jobs, by how they ended.", *("task", "outcome")
        )
        # Not the label `job`, which Prometheus sets itself.
        self._job_due = self.gauge(
            "job_due_timestamp_seconds",
            "When a background job is due; in the past, since when it is late.",
            "task",
            together="max",
        )
        self._job_seconds = self.gauge(
            "job_seconds",
            "Duration of a background job's last success, in seconds.",
            "task",
            together="mostrecent",
        )

    def counter(self, name: str, text: str, *labels: str) -> Any:
        """Return a new counter of this name, with `careers_users_` before it."""
        return prometheus.Counter(
            f"careers_users_{name}", text, labels, registry=self._registry
        )

    def gauge(
        self, name: str, text: str, *labels: str, together: Any = "livesum"
    ) -> Any:
        """Return a new gauge; of several processes `together` says how they add up."""
        return prometheus.Gauge(
            f"careers_users_{name}",
            text,
            labels,
            registry=self._registry,
            multiprocess_mode=together,
        )

    def began(self, _exchange: Exchange) -> None:
        """Note that a request has begun."""
        self._in_flight.inc()

    def ended(self, exchange: Exchange) -> None:
        """Count a request and its reply."""
        self._in_flight.dec()
        key = exchange.method, exchange.route, exchange.status
        seconds = self._children.get(key)
        if seconds is None:
            seconds = self._seconds.labels(*map(str, key))
            self._children[key] = seconds
        seconds.observe(exchange.seconds)
        flow = self._flows.get(exchange.endpoint or "")
        if flow is not None and exchange.method != "OPTIONS":
            flow.labels(OUTCOMES.get(exchange.status, _OTHERWISE)).inc()

    def security_event(self, name: str) -> None:
        """Count a security event."""
        self._events.labels(name).inc()

    def job_ran(self, name: str, succeeded: bool) -> None:
        """Count a run of a background job in this process."""
        self._jobs.labels(name, "succeeded" if succeeded else "failed").inc()

    def jobs_seen(self, states: Mapping[str, State]) -> None:
        """Note how the background jobs stand, whichever process has run them."""
        for name, state in states.items():
            self._job_due.labels(name).set(state.due_at.timestamp())
            if state.seconds is not None:
                self._job_seconds.labels(name).set(state.seconds)

    def looked(self, *, is_ready: bool, free_bytes: int | None) -> None:
        """Note what a look at the service has shown, just before it is told."""
        self._ready.set(is_ready)
        if free_bytes is not None:
            self._free.labels("database").set(free_bytes)

    def watch_pool(self, engine: Engine, size: int) -> None:
        """Follow the connections of an engine, whose pool has room for `size`."""
        prefix, text = "database_connections", "Connections to the database"
        self.gauge(f"{prefix}_max", f"{text} that may be open.").set(size)
        is_open = self.gauge(f"{prefix}_open", f"{text} that are open.")
        in_use = self.gauge(f"{prefix}_in_use", f"{text} that work for a request.")
        if self._is_shared:
            _follow_pool(engine, is_open, in_use)
            return

        def pool() -> Any:  # Another one, once the engine has been disposed of.
            return engine.pool

        # No other process has to know, so it is enough to look when Prometheus asks.
        in_use.set_function(lambda: pool().checkedout())
        is_open.set_function(lambda: pool().checkedout() + pool().checkedin())

    def watch_replica(self, replica: Replica) -> None:
        """Follow whether the replica is used."""
        text = "Processes that may read from the replica."
        replica.tell(self.gauge("replica_in_use", text).set)

    def watch_hashing(self, watch: Watch) -> None:
        """Follow the requests that wait for a turn to hash, and those that hash.

        `watch` takes a function for each of the two, to be called with the change.
        """
        waiting = self.gauge("hashes_waiting", "Requests waiting for a turn to hash.")
        running = self.gauge("hashes_running", "Passwords being hashed or verified.")
        watch(waiting.inc, running.inc)

    def exposition(self) -> bytes:
        """Return all numbers of all processes in Prometheus' text format."""
        registry = self._registry
        if self._is_shared:
            registry = prometheus.CollectorRegistry()
            registry.register(_Shared(os.environ[DIRECTORY]))
        return prometheus.generate_latest(registry)


def _follow_pool(engine: Engine, is_open: Any, in_use: Any) -> None:
    """Count the connections of an engine as they come and go, in two gauges."""

    def checkout(_connection: Any, record: Any, _proxy: Any) -> None:
        record.record_info[_IN_USE] = True
        in_use.inc()

    def checkin(_connection: Any, record: Any) -> None:
        # A connection that was found dead comes back without having been out.
        if record.record_info.pop(_IN_USE, False):
            in_use.dec()

    event.listen(engine, "connect", lambda *_: is_open.inc())
    event.listen(engine, "close", lambda *_: is_open.dec())
    event.listen(engine, "checkout", checkout)
    event.listen(engine, "checkin", checkin)


class _Shared(Collector):
    """The numbers in the files of all processes, added up."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def collect(self) -> Iterable[Any]:
        """Return them, but for those of files that are being made just now."""
        files = [str(file) for file in self._directory.glob("*.db") if _has_begun(file)]
        merge = multiprocess.MultiProcessCollector.merge
        return merge(files)  # type: ignore[no-untyped-call, no-any-return]


def _has_begun(file: Path) -> bool:
    try:
        # The library makes a file first and then gives it its size, and stumbles over
        # one in between: perhaps for ever, if a process was killed at that moment.
        return file.stat().st_size > 0
    except FileNotFoundError:  # A process has just been forgotten.
        return False


def forget(pid: int) -> None:
    """Drop what a process that has ended had at hand; what it counted stays."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
