"""Pages of other origins in a real browser: what it lets them read."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests import live_server
from tests.live_server import KEY, PASSWORDS, Server

pytestmark = pytest.mark.browser

# The parts of a reply that a page sees: status, JSON, the headers that it may read.
CALL = """
async ([url, method, headers, body]) => {
  try {
    const reply = await fetch(url, {method, headers, body});
    const seen = Object.fromEntries(reply.headers.entries());
    return {status: reply.status, body: await reply.json(), headers: seen};
  } catch (error) {
    return {blocked: error.name};
  }
}
"""


class _Blank(BaseHTTPRequestHandler):
    """A page with nothing on it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page</title>")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def pages() -> Iterator[int]:
    """Serve the page on a port of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Blank) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


class Caller:
    """A page that calls the service."""

    def __init__(self, page: Page, port: int) -> None:
        self.page, self.port = page, port

    def call(self, method: str, path: str, body: str = "", token: str = "") -> Any:
        """Call; return what the page could read of the answer."""
        url = f"http://127.0.0.1:{self.port}/careers/users/{path}"
        headers = {"X-Request-ID": "from-a-page"}
        if body:
            headers["Content-Type"] = "application/json"
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.page.evaluate(CALL, [url, method, headers, body or None])


def register(caller: Caller) -> Any:
    """Register alice from the page."""
    fields = {"username": "alice", "email": "alice@example.com", **PASSWORDS}
    body = "{" + ", ".join(f'"{k}": "{v}"' for k, v in fields.items()) + "}"
    return caller.call("POST", "register/", body)


def test_a_listed_origin_reads_everything_and_no_other_anything(
    chromium: Browser, sqlite_template: Path, tmp_path: Path
) -> None:
    database = tmp_path / "users.db"
    database.write_bytes(sqlite_template.read_bytes())
    url = f"sqlite:///{database}"
    with pages() as port:
        settings = {
            "DATABASE_URL": url,
            "CAREERS_USERS_JWT_SECRET_KEY": KEY,
            "CAREERS_USERS_CORS_ORIGINS": f"http://127.0.0.1:{port}",
        }
        with Server(tmp_path, **settings) as server:
            # An equal page from this machine: only the origin's name differs.
            listed, foreign = chromium.new_page(), chromium.new_page()
            listed.goto(f"http://127.0.0.1:{port}/")
            foreign.goto(f"http://localhost:{port}/")
            check_listed(Caller(listed, server.port))
            check_foreign(Caller(foreign, server.port))
            live_server.ask(url, "ALTER TABLE users RENAME TO people")
            reply = Caller(listed, server.port).call("GET", "alice/")
            assert reply["status"] == 503
            assert reply["body"]["code"] == "service_unavailable"
            assert reply["headers"]["retry-after"] == "5"
            assert server.stop() == 0
            listed.close()
            foreign.close()


def check_listed(caller: Caller) -> None:
    """Call with all methods, and for errors of all kinds."""
    reply = register(caller)
    assert reply["status"] == 201
    token = reply["body"]["access"]
    assert reply["headers"]["x-request-id"] == "from-a-page"

    reply = caller.call("PATCH", "me/update/", '{"bio": "Hello"}', token)
    assert (reply["status"], reply["body"]["bio"]) == (200, "Hello")
    assert caller.call("GET", "?search=alice")["body"]["users"]
    reply = caller.call("DELETE", "alice/unfollow/", token=token)
    assert (reply["status"], reply["body"]["code"]) == (400, "cannot_follow_self")

    reply = caller.call("GET", "me/", token="not.a.token")
    assert (reply["status"], reply["body"]["code"]) == (401, "token_invalid")
    assert reply["headers"]["www-authenticate"] == "Bearer"
    assert caller.call("GET", "nobody/")["status"] == 404
    too_large = f'{{"bio": "{"x" * 70_000}"}}'
    assert caller.call("PATCH", "me/", too_large, token)["status"] == 413
    # The browser itself refuses a method that the preflight did not name.
    assert caller.call("PUT", "me/", "{}", token) == {"blocked": "TypeError"}


def check_foreign(caller: Caller) -> None:
    """Not even what everybody may read without a browser."""
    assert caller.call("GET", "alice/") == {"blocked": "TypeError"}
    assert register(caller) == {"blocked": "TypeError"}
