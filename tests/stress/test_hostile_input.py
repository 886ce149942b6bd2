"""Hostile input. Whatever is sent, it is taken or refused as documented."""

import itertools
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests import live_server
from tests.live_server import Server
from tests.stress.conftest import Serve
from tests.stress.load import Caller
from tests.stress.matrix import (
    ENDING,
    SERVICE,
    STAR,
    Operation,
    Person,
    Request,
    operations,
)
from tests.stress.raw import RawCaller, Reply

CALLERS = 4
# With `quick`, one request of so many; and one as the viewer who matters less there: at
# the gate of what needs a token, all values are alike.
QUICK_STEP = 10
OTHER_STEP = 20


def wrong(operation: Operation, request: Request, reply: Reply) -> str:
    """Return what is wrong with a reply, or nothing."""
    said = f"{request.what}: {request.method} {request.target[:80]!r}"
    said += f" {request.headers} {(request.body or b'')[:80]!r}: {reply.status}"
    if reply.status >= 500:
        return f"{said} {reply.body}"
    if reply.body is None:
        return f"{said} without JSON"
    codes = operation.codes(reply.status)
    if reply.status >= 400:
        body = reply.body
        if not isinstance(body, dict) or [*body] != ["error", "code", "details"]:
            return f"{said} in another form: {body}"
        if request.is_stray:
            return ""
        if codes is None or body["code"] not in codes:
            return f"{said} {body['code']}, which is not documented"
    elif codes is None and not request.is_stray:
        return f"{said}, which is not documented"
    return ""


def attack(operation: Operation, port: int, step: int) -> Iterator[tuple[int, str]]:
    """Send an operation everything; yield each status and what is wrong with it."""
    person = Person(f"user{operation.number}", port)
    person.renew()
    usual, other = (
        operation.requests(person, signed_in=signed_in)
        for signed_in in (operation.takes_token, not operation.takes_token)
    )
    both = itertools.chain(usual, itertools.islice(other, 0, None, OTHER_STEP))
    with RawCaller(port) as caller:
        # Not always the same ones.
        for request in itertools.islice(both, operation.number % step, None, step):
            reply = caller.send(*request[1:5])
            yield reply.status, wrong(operation, request, reply)
            if reply.status < 300 and operation.id in ENDING:
                person.renew()


def attack_all(server: Server, document: Any, step: int) -> Counter[int]:
    """Try all operations; return how often each status came, if none was wrong."""

    def run(operation: Operation) -> list[tuple[int, str]]:
        return list(attack(operation, server.port, step))

    with ThreadPoolExecutor(CALLERS) as pool:
        results = list(itertools.chain(*pool.map(run, operations(document))))
    faults = [fault for _, fault in results if fault]
    assert not faults, "\n".join([f"{len(faults)} wrong replies:", *faults[:40]])
    return Counter(status for status, _ in results)


@pytest.mark.quick
def test_every_bad_value_everywhere(
    database_url: str, serve: Serve, figures: dict[str, str], whole: bool
) -> None:
    """Every field, path, query and header of every operation takes or refuses every bad
    value (NUL, surrogates, numbers at 2^31, 2^53, 2^63 and of 10,000 digits, full-width
    digits, booleans, deep nesting, duplicates, huge, ...) with a documented status and
    JSON; never with a 5xx, and nothing is broken afterwards."""
    server = serve(database_url, CAREERS_USERS_EVENTS_TOKENS=SERVICE)
    with Caller(server.port) as caller:
        document = caller.call("GET", "/openapi.json").body
        assert caller.register(STAR).status == 201
    statuses = attack_all(server, document, 1 if whole else QUICK_STEP)
    with Caller(server.port) as caller:
        assert caller.call("GET", f"{STAR}/").status == 200
    # The matrix has not been refused at one gate: it gets in, and to each refusal.
    assert statuses.keys() >= {200, 201, 400, 401, 404, 409, 413, 415}
    assert live_server.wrong_counters(database_url) == []
    if database_url.startswith("sqlite"):
        assert live_server.ask(database_url, "PRAGMA integrity_check") == [("ok",)]
    assert "Traceback" not in server.log
    figures["requests"] = f"{statuses.total():,}"
    figures["taken"] = f"{sum(statuses[status] for status in (200, 201)):,}"
    assert server.stop() == 0
