"""Callers that go on whatever happens, and remember what they were told."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple, Self

from careers_users.validation.limits import BASE_PATH
from tests import live_server
from tests.live_server import PASSWORDS

NO_REPLY = 0  # The status of a call whose connection was refused or broke.


class Outcome(NamedTuple):
    """The outcome of a call: status (or NO_REPLY), JSON, Retry-After, seconds."""

    status: int
    body: Any
    retry_after: str | None
    started: float
    seconds: float

    @property
    def is_json(self) -> bool:
        """Return whether the body was JSON; true if there was no reply."""
        return self.status == NO_REPLY or self.body is not None


class Caller:
    """A kept-alive connection, made again when it breaks; no call is repeated."""

    def __init__(self, port: int, timeout: float = 20) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = None,
        content_type: str = "application/json",
    ) -> Outcome:
        """Make a call; `path` is relative to the base path, or begins with a slash."""
        headers = {"Content-Type": content_type}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        url = path if path.startswith("/") else f"{BASE_PATH}/{path}"
        data = None if body is None else json.dumps(body)
        started = time.monotonic()
        try:
            self._connection.request(method, url, data, headers)
            response = self._connection.getresponse()
            text, status = response.read(), response.status
            retry_after = response.headers["Retry-After"]
        except (OSError, http.client.HTTPException):
            self._connection.close()
            taken = time.monotonic() - started
            return Outcome(NO_REPLY, None, None, started, taken)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        taken = time.monotonic() - started
        return Outcome(status, answer, retry_after, started, taken)

    def register(self, username: str) -> Outcome:
        """Register a user of that name."""
        body = {"username": username, "email": f"{username}@example.com", **PASSWORDS}
        return self.call("POST", "register/", body)

    def close(self) -> None:
        """Hang up; the next call dials again."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Work = Callable[[Caller], Iterable[Outcome]]


class Load:
    """Threads that each do their work again and again, until the block ends.

    Every outcome is kept, in the order of its end. The end of the block raises what a
    thread has raised.
    """

    def __init__(self, port: int, *works: Work, pause: float = 0) -> None:
        self.outcomes: list[Outcome] = []
        self._stop = threading.Event()
        self._go = threading.Event()
        self._go.set()
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._go_on, args=(work, port, pause), daemon=True)
            for work in works
        ]

    def _go_on(self, work: Work, port: int, pause: float) -> None:
        caller = Caller(port)
        try:
            while not self._stop.is_set():
                for outcome in work(caller):
                    self.outcomes.append(outcome)
                    if outcome.status == NO_REPLY:
                        time.sleep(0.02)  # No server is there: don't spin.
                    elif pause:
                        time.sleep(pause)
                    self._go.wait()
                    if self._stop.is_set():
                        break
        except BaseException as error:
            self._errors.append(error)
        finally:
            caller.close()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Let no thread begin another call within the block."""
        self._go.clear()
        try:
            yield
        finally:
            self._go.set()

    def statuses(self) -> Counter[int]:
        """Return how often each status was answered until now."""
        return Counter(outcome.status for outcome in list(self.outcomes))

    def wait_for(self, count: int, status: int = 200) -> None:
        """Wait until `count` more calls have ended with that status."""
        target = self.statuses()[status] + count
        live_server.until(lambda: self._errors or self.statuses()[status] >= target)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(live_server.PATIENCE)
            assert not thread.is_alive(), "a caller is stuck"
        for error in self._errors:
            raise error


def percentile(seconds: Iterable[float], percent: int) -> float:
    """Return what so many percent of these times stay under (nearest rank)."""
    times = sorted(seconds)
    return times[min(len(times) - 1, len(times) * percent // 100)]


def middle(seconds: Iterable[float]) -> float:
    """Return the median of these times."""
    return median(seconds)


@dataclass
class Writer:
    """Registers, follows and unfollows; knows what was acknowledged, what is unknown.

    As work of a `Load`: each round registers one user, who follows the star and the
    user before, and unfollows the latter again.
    """

    name: str  # The beginning of its users' names: letters, digits and underscores.
    star: str
    users: dict[str, str] = field(default_factory=dict)  # acknowledged: refresh tokens
    edges: dict[tuple[str, str], bool] = field(default_factory=dict)
    unknown: set[tuple[str, str]] = field(default_factory=set)
    tried: int = 0

    def __call__(self, caller: Caller) -> Iterable[Outcome]:
        """Do one round; stop at the first call that does not succeed."""
        previous = f"{self.name}_{self.tried}"
        self.tried += 1
        username = f"{self.name}_{self.tried}"
        registered = caller.register(username)
        if registered.status == 201:
            self.users[username] = registered.body["refresh"]
        yield registered
        if registered.status != 201:
            return
        token = registered.body["access"]
        others = [self.star, *([previous] if previous in self.users else [])]
        for other in others:
            call = ("POST", "follow/", {"username": other})
            followed = self._change((username, other), caller, True, call, token)
            yield followed
            if followed.status != 201:
                return
        if previous in self.users:
            undo = ("DELETE", f"{previous}/unfollow/", None)
            yield self._change((username, previous), caller, False, undo, token)

    def _change(
        self,
        edge: tuple[str, str],
        caller: Caller,
        there: bool,
        call: tuple[str, str, Any],
        token: str,
    ) -> Outcome:
        outcome = caller.call(*call, token=token)
        if outcome.status == (201 if there else 200):
            self.edges[edge] = there
        elif outcome.status in (NO_REPLY, 503):
            # It may have been done before the connection broke.
            self.unknown.add(edge)
        return outcome


def assert_kept(url: str, *writers: Writer) -> int:
    """Hold the database at `url` to what the writers were told; return how much.

    Every acknowledged user and edge is there, what was unfollowed is not, counters are
    what they count, and SQLite finds its file in order.
    """
    if url.startswith("sqlite"):
        assert live_server.ask(url, "PRAGMA integrity_check") == [("ok",)]
        assert live_server.ask(url, "PRAGMA foreign_key_check") == []
    assert live_server.wrong_counters(url) == []
    users = {name for (name,) in live_server.ask(url, "SELECT username FROM users")}
    edges = set(
        live_server.ask(
            url,
            "SELECT a.username, b.username FROM follows"
            " JOIN users AS a ON a.id = follower_id"
            " JOIN users AS b ON b.id = following_id",
        )
    )
    kept = 0
    for writer in writers:
        assert users >= writer.users.keys()
        for edge, there in writer.edges.items():
            if edge not in writer.unknown:
                assert (edge in edges) == there, edge
        kept += len(writer.users) + len(writer.edges)
    return kept
