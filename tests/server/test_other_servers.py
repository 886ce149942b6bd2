"""`wsgi:app` under other WSGI servers: the same API as under our own."""

import socket
import sys
from collections.abc import Callable
from contextlib import closing

import pytest
from flask import Flask

from careers_users.http.errors import HTTP_ERRORS
from tests.api import Api, Reply
from tests.http import test_gate, test_methods
from tests.live_api import LiveApi
from tests.live_server import KEY, ROOT, Server, until

GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}")
THREADS = ("--worker-class", "gthread", "--threads", "4")
SERVERS = {
    "gunicorn, sync": GUNICORN,
    "gunicorn, gthread": (*GUNICORN, *THREADS),
    "gunicorn, preload": (*GUNICORN, *THREADS, "--preload", "--workers", "2"),
    "granian": (
        *("-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"),
        *("--port", "{port}", "--workers", "1", "--blocking-threads", "4"),
    ),
}
# Granian logs to stdout, and we read stderr.
LOGGING_TO_STDERR = """
import os, sys
os.dup2(2, 1)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
# They keep connections open.
KEPT = ("gunicorn, gthread", "gunicorn, preload", "granian")
# Some of the tests of the API, of each kind.
REPRESENTATIVE: tuple[Callable[[Api], None], ...] = (
    test_gate.test_a_body_not_one_strict_json_object_is_malformed,
    test_methods.test_a_wrong_method_is_405_also_without_a_slash,
    test_methods.test_options_tells_the_methods,
    test_methods.test_head_is_get_without_a_body,
    test_gate.test_headers_that_mean_nothing_here_change_nothing,
    test_gate.test_deep_nesting_is_malformed,
    test_methods.test_a_wrong_method_is_405_with_those_that_are_right,
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("name", SERVERS)
def test_the_api_is_the_same(name: str, app: Flask, database_url: str) -> None:
    if name.startswith("gunicorn") and sys.platform == "win32":
        pytest.skip("gunicorn needs a system that forks")
    port = str(free_port())
    words = [word.format(port=port) for word in SERVERS[name]]
    settings = {
        "DATABASE_URL": database_url,
        "CAREERS_USERS_JWT_SECRET_KEY": KEY,
        "CAREERS_USERS_TRUSTED_PROXY": "10.0.0.0/8 127.0.0.0/8",
    }
    command = (sys.executable, "-c", LOGGING_TO_STDERR, *words, "wsgi:app")
    with (
        Server(ROOT, command=command, **settings) as server,
        closing(LiveApi(app, server.port)) as api,
    ):
        until(lambda: accepts(server.port))  # Granian says so a moment too early.
        walk_through_the_document(api)
        for test in REPRESENTATIVE:
            test(api)
        clients_are_known(api)
        refusals_leave_the_connection_usable(api, is_kept=name in KEPT)
        api.close()
        assert server.stop() == 0
    assert "Traceback" not in server.log


def walk_through_the_document(api: Api) -> None:
    """Call what the document has, in its order; `api` looks at every reply."""
    alice, bob = api.register("walker_alice"), api.register("walker_bob")
    login = api.post("login/", {"username": bob.email, "password": bob.password})
    assert login.status_code == 200
    token = alice.access
    listed = api.get("?search=walker", token=token)
    names = [user["username"] for user in listed.json["users"]]
    assert names == ["walker_alice", "walker_bob"]
    change = {"first_name": "Älice", "bio": "Straße\n東京"}
    assert api.patch("me/update/", change, token=token).status_code == 200
    assert api.get("walker_alice/").json["bio"] == change["bio"]
    follow = api.post("follow/", {"following": bob.id}, token=token)
    assert follow.status_code == 201
    for path in ("following/", "walker_bob/followers/", "walker_alice/following/"):
        assert api.get(path, token=token).json["count"] == 1
    assert api.get("walker_bob/stats/").json["followers_count"] == 1
    assert api.get("me/", token=token).json["email"] == alice.email
    assert api.delete("walker_bob/unfollow/", token=token).status_code == 200
    refreshed = api.post("token/refresh/", {"refresh": alice.refresh})
    assert refreshed.status_code == 200
    logout = {"refresh": alice.refresh}
    assert api.post("logout/", logout, token=token).status_code == 200
    assert api.get("me/", token=token).json["code"] == "token_revoked"


def clients_are_known(api: Api) -> None:
    """Ask through a proxy: who the client is, and by which id it knows its request."""
    headers = {"X-Forwarded-For": "[2001:db8::7]:4711", "X-Request-ID": "mine"}
    token = api.register("client").access
    user = {"username": "client", "password": "password123"}
    reply = api.post("login/", user, headers=headers)
    assert reply.headers.get_all("X-Request-ID") == ["mine"]
    sessions = api.get("me/sessions/", token=token).json
    assert "2001:db8::7" in {each["address"] for each in sessions["results"]}
    refused = api.get("", headers={"X-Forwarded-For": "<script>"})
    assert refused.json["code"] == "malformed_request"


def refusals_leave_the_connection_usable(api: LiveApi, *, is_kept: bool) -> None:
    """Refuse bodies without reading them, and go on where the server can."""

    def refused(path: str, body: bytes, content_type: str) -> Reply:
        reply = api.post(path, data=body, content_type=content_type)
        assert reply.json["code"] == HTTP_ERRORS[reply.status_code][0]
        return reply

    assert api.get("").status_code == 200
    for _ in range(2):
        before = api.connection.sock
        assert refused("login/", b"x" * 60_000, "text/plain").status_code == 415
        large = b"x" * 70_000
        assert refused("login/", large, "application/json").status_code == 413
        assert refused("", large, "application/json").status_code == 405
        assert api.get("").status_code == 200
        assert (before is not None and api.connection.sock is before) == is_kept
