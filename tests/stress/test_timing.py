"""Time. The bytes after a refusal on a connection do not reveal who has an account."""

import json
import random
import re
import socket
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from pathlib import Path

import pytest

from careers_users.validation.limits import BASE_PATH
from tests import live_server
from tests.live_server import Client, at_once
from tests.stress.conftest import Serve

SAMPLES = 400  # Of each kind; a difference of nothing then has an AUC of 0.5 +- 0.02.
AUC_MIN, AUC_MAX = 0.4, 0.6
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
Body = dict[str, str]


def wrong_login(identifier: str) -> tuple[str, Body]:
    """Return a login with a wrong password."""
    return "login/", {"username": identifier, "password": "wrong-password-1"}


def taken_name(identifier: str) -> tuple[str, Body]:
    """Return a registration of a name that is taken."""
    email = identifier if "@" in identifier else f"{identifier}@example.com"
    return "register/", {"username": "taken", "email": email, **live_server.PASSWORDS}


def reset(identifier: str) -> tuple[str, Body]:
    """Return the request for a reset."""
    return "password/reset/", {"username": identifier}


def by_name(user: str) -> str:
    """Return the username."""
    return user


def by_address(user: str) -> str:
    """Return the e-mail address."""
    return f"{user}@example.com"


FORMS = {
    "login by name": (wrong_login, by_name),
    "login by address": (wrong_login, by_address),
    "registration": (taken_name, by_address),
    "reset by name": (reset, by_name),
    "reset by address": (reset, by_address),
}


def gap(port: int, path: str, body: Body, *, closing: bool) -> float:
    """Return the milliseconds from a reply to the next reply, or to the end."""
    data = json.dumps(body).encode()
    head = f"POST {BASE_PATH}/{path} HTTP/1.1\r\nHost: x\r\n"
    head += "Content-Type: application/json\r\n"
    head += "Connection: close\r\n" if closing else ""
    request = f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
    if not closing:
        request += b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), live_server.PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(request)
        rest = read_reply(sock, b"")
        told = time.perf_counter()
        if closing:
            assert sock.recv(1) == b""
        else:
            read_reply(sock, rest)
        return (time.perf_counter() - told) * 1000


def read_reply(sock: socket.socket, begun: bytes) -> bytes:
    """Read one reply; return what has come of the next."""
    while b"\r\n\r\n" not in begun:
        begun += sock.recv(65536)
    head, _, rest = begun.partition(b"\r\n\r\n")
    match = LENGTH.search(head)
    assert match is not None
    while len(rest) < int(match[1]):
        rest += sock.recv(65536)
    return rest[int(match[1]) :]


def auc(some: list[float], others: list[float]) -> float:
    """Return how often one of `some` exceeds one of `others`: 0.5 tells nothing."""
    others = sorted(others)
    below = sum(bisect_left(others, x) + bisect_right(others, x) for x in some)
    return below / 2 / len(some) / len(others)


def measured(
    port: int,
    make: Callable[[str], tuple[str, Body]],
    *,
    closing: bool,
    known: list[str],
    unknown: list[str],
) -> float:
    """Return the AUC of the gaps, for known and unknown users in random turns."""
    gaps: dict[bool, list[float]] = {True: [], False: []}
    turns = [(True, name) for name in known] + [(False, name) for name in unknown]
    random.Random(1).shuffle(turns)
    for is_known, name in turns:
        path, body = make(name)
        gaps[is_known].append(gap(port, path, body, closing=closing))
    return auc(gaps[True], gaps[False])


@pytest.mark.parametrize("closing", [False, True], ids=["pipelined", "closed"])
def test_bytes_after_a_refusal_do_not_reveal_who_has_an_account(
    serve: Serve,
    database_url: str,
    figures: dict[str, str],
    tmp_path: Path,
    closing: bool,
) -> None:
    """S2: 400 refused logins, registrations and resets each, of users and of others,
    can't be told apart by when the next reply or the end of the connection comes (AUC
    0.4 to 0.6)."""
    mail = {"CAREERS_USERS_MAIL": "file", "CAREERS_USERS_DATA_DIR": str(tmp_path)}
    server = serve(database_url, **mail)
    users = [f"user{number}" for number in range(SAMPLES)]
    with Client(server.port) as client:
        client.register("taken")

    def register(some: list[str]) -> None:
        with Client(server.port) as client:
            for name in some:
                assert client.register(name).status == 201

    at_once(register, [users[::2], users[1::2]])
    for form, (make, name) in FORMS.items():
        known = [name(user) for user in users]
        unknown = [name(user.replace("user", "ghost")) for user in users]
        found = measured(
            server.port, make, closing=closing, known=known, unknown=unknown
        )
        figures[f"AUC, {form}"] = f"{found:.2f}"
        assert AUC_MIN < found < AUC_MAX, form
