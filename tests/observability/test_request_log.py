"""A line for each request and each security event: what it says, and how it looks."""

import re

import pytest

from tests.api import PASSWORD, Api
from tests.observability.log_lines import Lines

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MADE = re.compile(r"[0-9a-f]{32}")


def test_each_request_is_a_line(api: Api, lines: Lines) -> None:
    alice = api.register("alice")
    reply = api.get("alice/?", token=alice.access)

    line = lines.requests()[-1]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert 0 < line.pop("duration_ms") < 60_000
    assert line == {
        "level": "INFO",
        "logger": "careers_users.requests",
        "message": "request",
        "method": "GET",
        "route": "/careers/users/<username:username>/",
        "status": 200,
        "bytes": len(reply.data),
        "address": "127.0.0.1",
        "user_id": alice.id,
        "request_id": reply.headers["X-Request-ID"],
    }
    assert len(lines.requests()) == 2


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "", "/careers/users/", 200),
        ("HEAD", "", "/careers/users/", 200),
        ("GET", "nobody", "/careers/users/<username:username>/", 404),
        ("GET", "/nowhere/at/all?password=x", "unmatched", 404),
        ("PUT", "login/", "unmatched", 405),
        ("OPTIONS", "login/", "/careers/users/login/", 200),
        ("POST", "login/", "/careers/users/login/", 415),
        ("GET", "/health/live", "/health/live", 200),
    ],
)
def test_whatever_is_asked_is_a_line(
    api: Api, lines: Lines, method: str, path: str, route: str, status: int
) -> None:
    reply = api.call(method, path)

    (line,) = lines.requests()
    assert (line["method"], line["route"], line["status"]) == (method, route, status)
    assert line["bytes"] == len(reply.data)
    assert line["user_id"] is None
    assert "nobody" not in lines.stream.getvalue()
    assert "password" not in lines.stream.getvalue()


def test_a_failure_is_a_line_under_the_same_id(
    api: Api, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("first\r\n{}second")

    monkeypatch.setattr("careers_users.clock.utcnow", fail)
    body = {"username": "alice", "password": PASSWORD}
    reply = api.app.test_client().post("/careers/users/register/", json=registration())
    assert reply.status_code == 500

    error, request = lines.all()[-2:]
    assert (error["level"], request["status"]) == ("ERROR", 500)
    assert "RuntimeError: first" in error["exception"]
    assert error["request_id"] == request["request_id"]
    assert error["request_id"] == reply.headers["X-Request-ID"]
    assert body["password"] not in lines.stream.getvalue()


def registration() -> dict[str, str]:
    """Return the body of a good registration."""
    names = {"username": "alice", "email": "alice@example.com"}
    return {**names, "password": PASSWORD, "password_confirm": PASSWORD}


@pytest.mark.parametrize(
    "given", ["a", "0123456789abcdef" * 4, "6b7c4f9e-09c9-4a5e-8ef8-2f5be2d6d1b5"]
)
def test_a_proper_request_id_is_taken_over(api: Api, lines: Lines, given: str) -> None:
    reply = api.get("", headers={"X-Request-ID": given})
    assert reply.headers.getlist("X-Request-ID") == [given]
    assert lines.requests()[0]["request_id"] == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        " ",
        "a" * 65,
        "a b",
        'a","level":"ERROR',
        "a,b",
        "-a",
        "ä",
        "a\x1b[31m",
        "../etc",
        "<script>",
    ],
)
def test_any_other_is_replaced(api: Api, lines: Lines, given: str) -> None:
    environ = {"HTTP_X_REQUEST_ID": given}
    reply = api.call("GET", "", environ_overrides=environ)
    assert MADE.fullmatch(reply.headers["X-Request-ID"])
    assert lines.requests()[0]["request_id"] == reply.headers["X-Request-ID"]


def test_made_ids_differ(api: Api) -> None:
    assert len({api.get("").headers["X-Request-ID"] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("given", "is_proper"),
    [
        (TRACE, True),
        (TRACE.replace("00-", "01-", 1), True),
        (TRACE.replace("00-", "ff-", 1), False),
        (TRACE.upper(), False),
        (TRACE + "-00", False),
        ("00-" + "0" * 32 + TRACE[35:], False),
        (TRACE[:36] + "0" * 16 + "-01", False),
        (TRACE + '","level":"ERROR', False),
        ("", False),
    ],
)
def test_a_trace_is_passed_through_if_it_is_one(
    api: Api, lines: Lines, given: str, is_proper: bool
) -> None:
    api.call("GET", "", environ_overrides={"HTTP_TRACEPARENT": given})
    assert lines.requests()[0].get("traceparent") == (given if is_proper else None)


def test_security_events_are_lines(api: Api, lines: Lines) -> None:
    alice = api.register("alice")
    trace = {"traceparent": TRACE}
    api.post("login/", {"username": "alice", "password": PASSWORD}, headers=trace)
    api.post("login/", {"username": "alice", "password": "wrong password"})
    api.post("login/", {"username": "nobody", "password": "wrong password"})
    api.patch("me/update/", {"email": "alice@example.org"}, token=alice.access)
    api.patch("me/", {"email": "alice@example.org", "bio": "x"}, token=alice.access)
    api.patch("me/", {"bio": "y"}, token=alice.access)
    api.post("logout/", {"refresh": alice.refresh}, token=alice.access)

    events = lines.of("careers_users.security")

    assert [(line["message"], line["user_id"]) for line in events] == [
        ("registered", alice.id),
        ("login_succeeded", alice.id),
        ("login_failed", alice.id),
        ("login_failed", None),
        ("email_changed", alice.id),
        ("logged_out", alice.id),
    ]
    assert events[1]["traceparent"] == TRACE
    ids = [line["request_id"] for line in lines.requests()]
    assert [line["request_id"] for line in events] == [*ids[:5], ids[-1]]
    assert {line["address"] for line in events} == {"127.0.0.1"}
    assert "alice@" not in lines.stream.getvalue()


def test_a_refused_change_of_email_is_no_event(api: Api, lines: Lines) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    reply = api.patch("me/", {"email": bob.email}, token=alice.access)
    assert reply.status_code == 409
    events = [line["message"] for line in lines.of("careers_users.security")]
    assert events == ["registered", "registered"]
