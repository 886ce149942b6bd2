"""The calls that are measured: the requests of each, and what is demanded of it."""

import http.client
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.wrk import Request
from careers_users.cli.demo.fill import PASSWORD
from careers_users.cli.demo.people import CELEBRITY, RARE_WORD, Size
from careers_users.validation.limits import BASE_PATH

BATCH = 20
VIEWERS = 16
PROFILES = 500
DEEP_STEPS = 100
# More than any server manages in a round, so that each edge is new.
FOLLOWS = 12_000


@dataclass(frozen=True)
class People:
    """Users of the dataset who play a part in the requests."""

    size: Size
    viewers: list[tuple[int, str]]
    usernames: list[str]


@dataclass(frozen=True)
class Call:
    """A call; `demanded` are the least ratios to another contestant's requests/s.

    They are 0.95 of what the run of 2026-11-30 gave.
    """

    name: str
    requests: Callable[["Call", Contestant, People, int], list[Request]]
    path: str = ""
    demanded: tuple[float, float, float] = (0, 0, 0)  # of bare, usual DRF, FastAPI
    writes: bool = False


def ask(
    port: int, path: str, body: dict[str, Any] | None = None, token: str = ""
) -> Any:
    """Return what a server answers to one request; SystemExit if it refuses."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    method = "GET" if body is None else "POST"
    content = None if body is None else json.dumps(body)
    connection.request(method, path, content, headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    if response.status != 200:
        raise SystemExit(f"{path}: {response.status} {answer.decode()}")
    return json.loads(answer)


def sign_in(contestant: Contestant, people: People) -> None:
    """Give a contestant the tokens of the viewers."""
    for _, username in people.viewers:
        body = {"username": username, "password": PASSWORD}
        reply = ask(contestant.port, f"{BASE_PATH}/login/", body)
        contestant.tokens.append(reply["access"])
        contestant.refresh_tokens.append(reply["refresh"])


def is_ours(contestant: Contestant) -> bool:
    """Return whether it is the service itself."""
    return contestant.name.startswith("ours")


def _anonymous(call: Call, _: Contestant, people: People, __: int) -> list[Request]:
    return [Request(BASE_PATH + call.path.format(name)) for name in people.usernames]


def _signed_in(call: Call, contestant: Contestant, _: People, __: int) -> list[Request]:
    return [Request(BASE_PATH + call.path, token) for token in contestant.tokens]


def _deep(call: Call, contestant: Contestant, people: People, _: int) -> list[Request]:
    """Return batches from the middle of the list on: by cursor, peers' by number."""
    half = people.size.celebrity_followers // 2 // BATCH
    numbered = [
        f"{BASE_PATH}{call.path}&batch_number={half + step}"
        for step in range(DEEP_STEPS)
    ]
    paths = _walk(contestant, numbered[0]) if is_ours(contestant) else numbered
    return [
        Request(path, token)
        for path, token in zip(paths, itertools.cycle(contestant.tokens), strict=False)
    ]


def _walk(contestant: Contestant, first: str) -> list[str]:
    paths, path = [], first
    for _ in range(DEEP_STEPS):
        path = ask(contestant.port, path, token=contestant.tokens[0])["next"]
        if path is None:
            break
        paths.append(path)
    return paths


def _follow(
    call: Call, contestant: Contestant, people: People, number: int
) -> list[Request]:
    """Return edges between viewers and users from the end, in no other round."""
    requests: list[Request] = []
    last = people.size.users - number * (FOLLOWS // VIEWERS)
    for following in range(last, last - FOLLOWS // VIEWERS, -1):
        body = json.dumps({"following": following})
        requests += [
            Request(BASE_PATH + call.path, token, "POST", body)
            for token in contestant.tokens
        ]
    return requests


def _refresh(call: Call, contestant: Contestant, _: People, __: int) -> list[Request]:
    return [
        Request(BASE_PATH + call.path, method="POST", body=json.dumps({"refresh": it}))
        for it in contestant.refresh_tokens
    ]


def _login(call: Call, _: Contestant, people: People, __: int) -> list[Request]:
    # Many, as in life: each has few sessions, which a login reads.
    bodies = [
        {"username": username, "password": PASSWORD} for username in people.usernames
    ]
    return [
        Request(BASE_PATH + call.path, method="POST", body=json.dumps(body))
        for body in bodies
    ]


FOLLOWERS = f"/{CELEBRITY}/followers/?batch_size={BATCH}"
CALLS: Sequence[Call] = (
    Call("profile", _anonymous, "/{}/", (0.43, 15.7, 2.4)),
    Call("me", _signed_in, "/me/", (0.46, 13.4, 2.5)),
    Call("list of 10", _signed_in, "/", (0.3, 20, 6.8)),
    Call("search, rare word", _signed_in, f"/?search={RARE_WORD}", (0.2, 134, 278)),
    Call("followers, first batch", _signed_in, FOLLOWERS, (0.3, 92, 130)),
    Call("followers, deep", _deep, FOLLOWERS, (0.32, 76, 289)),
    Call("follow", _follow, "/follow/", (0.24, 9.2, 1.8), writes=True),
    Call("token/refresh", _refresh, "/token/refresh/", (0.33, 11.3, 1.3), writes=True),
    Call("login", _login, "/login/", (0, 9.5, 34), writes=True),
)
