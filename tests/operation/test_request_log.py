"""A line for each request and each security event: what it says, and how it looks."""

import io
import json
import logging
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from careers_users import logs
from careers_users.logs import JsonFormatter, TextFormatter
from tests import served
from tests.api import PASSWORD, Api
from tests.served import KEY, ROOT, Client, Server

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MADE = re.compile(r"[0-9a-f]{32}")


class Lines:
    """What our own handler has written, in a process whose only handler it is."""

    def __init__(self, stream: io.StringIO) -> None:
        self.stream = stream

    def all(self) -> list[dict[str, Any]]:
        """All lines until now."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def of(self, logger: str) -> list[dict[str, Any]]:
        """Those of one logger."""
        return [line for line in self.all() if line["logger"] == logger]

    def requests(self) -> list[dict[str, Any]]:
        """Those about requests."""
        return self.of("careers_users.requests")


class OnlyOurs(list[logging.Handler]):
    """Takes our own handlers and not pytest's: in production there are no others."""

    def append(self, handler: logging.Handler) -> None:
        """Add a handler of ours."""
        if type(handler).__module__ == logs.__name__:
            super().append(handler)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """The log as it is written when the service is served."""
    stream = io.StringIO()
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(root, "handlers", OnlyOurs())
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("json", "INFO")
    yield Lines(stream)
    root.setLevel(level)


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
    reply = api.app.test_client().post(
        "/careers/users/token/refresh/", json={"refresh": "x"}
    )
    assert reply.status_code == 401
    reply = api.app.test_client().post("/careers/users/register/", json=registration())
    assert reply.status_code == 500

    error, request = lines.all()[-2:]
    assert (error["level"], request["status"]) == ("ERROR", 500)
    assert "RuntimeError: first" in error["exception"]
    assert error["request_id"] == request["request_id"]
    assert error["request_id"] == reply.headers["X-Request-ID"]
    assert body["password"] not in lines.stream.getvalue()


def registration() -> dict[str, str]:
    """The body of a good registration."""
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


# -- How lines look --------------------------------------------------------------------


def record(message: str, **more: Any) -> logging.LogRecord:
    """A record as a logger makes it."""
    made = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": message})
    made.__dict__.update(more)
    return made


NASTY = "one\r\ntwo\x1b[2J\u2028three\x00\x85\ud800ä"


def test_json_is_one_ascii_line_whatever_is_logged() -> None:
    try:
        raise ValueError(NASTY)
    except ValueError:
        trouble = sys.exc_info()
    details = {"a": NASTY, "big": 2**70, "odd": {1, 2}}
    line = JsonFormatter().format(record(NASTY, details=details, exc_info=trouble))

    assert line.isascii()
    assert "\n" not in line
    assert "\r" not in line
    parsed = json.loads(line)
    assert parsed["message"] == parsed["a"] == NASTY
    assert parsed["big"] == 2**70
    assert "ValueError" in parsed["exception"]


def test_text_can_forge_no_line() -> None:
    try:
        raise ValueError("boom\n2024-01-15 00:00:00 ERROR forged")
    except ValueError:
        trouble = sys.exc_info()
    text = TextFormatter().format(
        record(NASTY, details={"a": NASTY}, user_id=7, exc_info=trouble)
    )

    first, *rest = text.split("\n")
    assert "one\\r\\ntwo\\x1b[2J" in first
    assert "user_id=7" in first
    assert all(line.startswith("    ") for line in rest)
    assert not set(text) & set("\r\x1b\x00\x85\u2028")


def test_a_reader_that_is_gone_stops_nobody(api: Api, lines: Lines) -> None:
    lines.stream.close()
    assert api.get("").status_code == 200


@pytest.mark.usefixtures("lines")
def test_handlers_of_others_are_left_alone() -> None:
    root = logging.getLogger()
    other = logging.NullHandler()
    root.handlers[:] = [other]
    logs.configure("json", "DEBUG")
    assert root.handlers == [other]


def test_our_own_is_configured_again(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", lines.stream)
    logs.configure("text", "ERROR")
    root = logging.getLogger()
    assert len(root.handlers) == 1
    assert root.level == logging.ERROR
    root.error("hello")
    assert lines.stream.getvalue().endswith("ERROR root: hello\n")


def test_both_ways_to_a_line_lead_to_the_same(lines: Lines) -> None:
    logger = logging.getLogger("careers_users.requests")
    fields = {"method": "GET", "status": 200, "user_id": 5}
    logs.write(logger, "request", fields)
    watcher = logging.NullHandler()
    logger.addHandler(watcher)
    try:
        logs.write(logger, "request", fields)
    finally:
        logger.removeHandler(watcher)
    quick, usual = lines.all()
    del quick["time"], usual["time"]
    assert quick == usual


# -- In processes of their own ---------------------------------------------------------


def json_lines(text: str) -> list[dict[str, Any]]:
    """The lines of a log that are JSON objects."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_served_each_line_is_json_unless_text_is_asked_for(
    tmp_path: Path, sqlite_template: Path
) -> None:
    url = f"sqlite:///{sqlite_template}"
    settings = {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    settings["CAREERS_USERS_UNHEARD_OF"] = "1"
    with Server(tmp_path, **settings) as server, Client(server.port) as client:
        client.call("GET", "")
        assert server.stop() == 0
    found = [json.loads(line) for line in server.log.splitlines()]
    assert "CAREERS_USERS_UNHEARD_OF" in found[0]["message"]
    assert [line["status"] for line in found if "status" in line] == [200]

    settings["CAREERS_USERS_LOG_FORMAT"] = "text"
    del settings["CAREERS_USERS_UNHEARD_OF"]
    with Server(tmp_path, **settings) as server, Client(server.port) as client:
        client.call("GET", "")
        assert server.stop() == 0
    assert " INFO careers_users.requests: request method=GET" in server.log
    assert not json_lines(server.log)

    settings["CAREERS_USERS_LOG_LEVEL"] = "WARNING"
    refused = served.run(tmp_path, "serve", CAREERS_USERS_LOG_LEVEL="LOUD")
    assert "CAREERS_USERS_LOG_LEVEL" in refused.stderr
    assert refused.returncode == 78


def test_other_servers_log_the_same(sqlite_template: Path) -> None:
    script = (
        "from waitress import create_server; import wsgi, sys, threading;"
        "s = create_server(wsgi.app, port=0, host='127.0.0.1');"
        "print(f'Listening on http://127.0.0.1:{s.effective_port}', file=sys.stderr);"
        "s.run()"
    )
    settings = {
        "DATABASE_URL": f"sqlite:///{sqlite_template}",
        "CAREERS_USERS_JWT_SECRET_KEY": KEY,
    }
    command = (sys.executable, "-c", script)
    with Server(ROOT, command=command, **settings) as server:
        with Client(server.port) as client:
            client.call("GET", "")
        server.kill()
    (line,) = json_lines(server.log)
    assert (line["logger"], line["status"]) == ("careers_users.requests", 200)


def test_commands_log_in_the_same_form(tmp_path: Path, sqlite_template: Path) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{sqlite_template}"}
    settings["CAREERS_USERS_UNHEARD_OF"] = "1"
    done = served.run(tmp_path, "users", "recount", "--check", **settings)
    assert done.returncode == 0, done.stderr
    (line,) = json_lines(done.stderr)
    assert line["level"] == "WARNING"


def test_what_the_server_refuses_itself_is_a_line_too(
    tmp_path: Path, sqlite_template: Path
) -> None:
    settings = {
        "DATABASE_URL": f"sqlite:///{sqlite_template}",
        "CAREERS_USERS_JWT_SECRET_KEY": KEY,
        "CAREERS_USERS_CORS_ORIGINS": "https://www.example.com",
    }
    with Server(tmp_path, **settings) as server:
        replies = [
            raw(server.port, f"Content-Length: 99999999\r\n{more}")
            for more in (
                "X-Request-ID: mine\r\n",
                "Origin: https://www.example.com\r\n",
            )
        ]
        assert server.stop() == 0
    assert all(reply.startswith("HTTP/1.1 413 ") for reply in replies)
    assert "\r\nx-request-id: mine\r\n" in replies[0].lower()
    assert "Access-Control-Allow-Origin" not in replies[0]
    assert "\r\nAccess-Control-Allow-Origin: https://www.example.com\r\n" in replies[1]
    first, second = [line for line in json_lines(server.log) if "status" in line]
    assert (first["status"], first["request_id"]) == (413, "mine")
    assert MADE.fullmatch(second["request_id"])
    assert f"x-request-id: {second['request_id']}" in replies[1].lower()


def raw(port: int, headers: str) -> str:
    """Send the head of a POST as it stands; return all that is answered."""
    with socket.create_connection(("127.0.0.1", port), served.PATIENCE) as connection:
        head = f"POST /careers/users/login/ HTTP/1.1\r\nHost: x\r\n{headers}\r\n"
        connection.sendall(head.encode())
        parts = iter(lambda: connection.recv(65536), b"")
        return b"".join(parts).decode()
