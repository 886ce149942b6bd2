"""How log lines look, whatever is in them, and which processes write them."""

import json
import logging
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from careers_users.observability import logs
from careers_users.observability.logs import JsonFormatter, TextFormatter
from tests import in_process, live_server
from tests.api import Api
from tests.live_server import KEY, ROOT, Client, Server
from tests.observability.log_lines import Lines
from tests.observability.test_request_log import MADE

# -- How lines look --------------------------------------------------------------------


def record(message: str, **more: Any) -> logging.LogRecord:
    """Return a record as a logger makes it."""
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


def test_a_reader_that_is_gone_stops_nothing(api: Api, lines: Lines) -> None:
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


# -- In processes of their own ---------------------------------------------------------


def json_lines(text: str) -> list[dict[str, Any]]:
    """Return the lines of a log that are JSON objects."""
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
    refused = in_process.run(tmp_path, "serve", CAREERS_USERS_LOG_LEVEL="LOUD")
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
    done = live_server.run(tmp_path, "users", "recount", "--check", **settings)
    assert done.returncode == 0, done.stderr
    (line,) = json_lines(done.stderr)
    assert line["level"] == "WARNING"


def test_a_refusal_of_the_server_itself_is_a_line_too(
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
    with socket.create_connection(
        ("127.0.0.1", port), live_server.PATIENCE
    ) as connection:
        head = f"POST /careers/users/login/ HTTP/1.1\r\nHost: x\r\n{headers}\r\n"
        connection.sendall(head.encode())
        parts = iter(lambda: connection.recv(65536), b"")
        return b"".join(parts).decode()
