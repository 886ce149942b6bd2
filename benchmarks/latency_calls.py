"""The calls that benchmarks.latency measures, and its client."""

import http.client
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from careers_users.cli.demo.fill import PASSWORD
from careers_users.cli.demo.people import CELEBRITY, Size
from careers_users.validation.limits import BASE_PATH

_Answer = tuple[int, bytes]


# No call is measured for longer than this, however slow it is.
CALL_SECONDS = 30


BATCH = 20


Paths = Callable[["Client", Size], Iterator[str]]


class Client:
    """One connection, kept open, of a user who is signed in."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Content-Type": "application/json"}
        self.last: Any = None
        self.sign_in(CELEBRITY)
        dice = random.Random(1)
        last_batch = self.get("/?batch_size=100")["batch_info"]["total_batches"] - 1
        self.usernames = [
            user["username"]
            for _ in range(10)
            for user in self.get(
                f"/?batch_size=100&batch_number={dice.randint(0, last_batch)}"
            )["users"]
        ]
        dice.shuffle(self.usernames)
        # A user who follows others, unlike a celebrity perhaps.
        self.sign_in(self.usernames[0])

    def sign_in(self, username: str) -> None:
        """Make all further requests as this user."""
        body = json.dumps({"username": username, "password": PASSWORD})
        path = f"{BASE_PATH}/login/"
        reply = _checked(path, *self._ask("POST", path, body))
        self._headers["Authorization"] = f"Bearer {reply['access']}"

    def get(self, path: str) -> Any:
        """Return the reply to a GET; `path` is relative unless it is a `next`."""
        self.time(path)
        return self.last

    def time(self, path: str) -> float:
        """Return how many milliseconds a GET takes; what it answers is in `last`."""
        if not path.startswith(BASE_PATH):
            path = BASE_PATH + path
        started = time.perf_counter()
        status, content = self._ask("GET", path)
        taken = time.perf_counter() - started
        self.last = _checked(path, status, content)
        return taken * 1000

    def _ask(self, method: str, path: str, body: str | None = None) -> _Answer:
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        return response.status, response.read()


def _checked(path: str, status: int, content: bytes) -> Any:
    if status != 200:
        raise SystemExit(f"{path}: {status} {content.decode()}")
    return json.loads(content)


def always(*paths: str) -> Paths:
    """Ask for these paths in turn."""
    return lambda _client, _size: itertools.cycle(paths)


def of_many(path: str) -> Paths:
    """Ask for a path of one user after the other."""
    return lambda client, _size: (
        path.format(name) for name in itertools.cycle(client.usernames)
    )


def middle(_client: Client, size: Size) -> Iterator[str]:
    """Ask for batches around the middle of all users."""
    half = size.users // 2 // 10
    return (f"/?batch_number={half + step}" for step in itertools.cycle(range(100)))


def deep(client: Client, size: Size) -> Iterator[str]:
    """Walk the celebrity's followers by cursor, from the middle on."""
    first = f"/{CELEBRITY}/followers/?batch_size={BATCH}&batch_number="
    while True:
        page = client.get(f"{first}{size.celebrity_followers // 2 // BATCH}")
        while page["next"]:
            yield page["next"]
            page = client.last
