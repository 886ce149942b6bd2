"""A served process, told to log all it can, given secrets in every place there is."""

import http.client
import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url

from careers_users.validation.limits import BASE_PATH
from tests import live_server
from tests.live_server import KEY, PATIENCE, SERVE, Server

PASSWORD = "a-password-that-nobody-may-read"
WRONG = "another-one-mistyped-by-its-owner"
DB_PASSWORD = "open-sesame"
# Its stdout counts as well.
BOTH = ("bash", "-c", 'exec "$0" "$@" >&2', *SERVE)


class Careless:
    """A client that sends secrets and does not mind what comes back."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.statuses: set[int] = set()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str = "",
        secret: str = "",
    ) -> Any:
        """Make a call; return what its JSON says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, PATIENCE)
        data = body if isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if secret:
            headers |= {"X-Request-ID": f"{secret} x", "traceparent": secret}
            headers |= {"User-Agent": secret, "Cookie": f"token={secret}"}
        try:
            connection.request(method, BASE_PATH + path, data, headers)
            reply = connection.getresponse()
            self.statuses.add(reply.status)
            text = reply.read()
        finally:
            connection.close()
        return json.loads(text) if text else None


def registration(name: str, password: str = PASSWORD) -> dict[str, str]:
    """Return the body of a registration."""
    passwords = {"password": password, "password_confirm": password}
    return {"username": name, "email": f"{name}@example.com", **passwords}


def use_everything(client: Careless, app: Flask) -> list[str]:
    """Call every route, well and badly; return the secrets that came back."""
    alice = client.call("POST", "/register/", registration("alice"))
    login = {"username": "alice", "password": PASSWORD}
    again = client.call("POST", "/login/", login)
    tokens = [*(alice[k] for k in ("access", "refresh")), again["access"]]
    tokens.append(again["refresh"])
    client.call("POST", "/login/", login | {"password": WRONG})
    client.call("POST", "/login/", {"username": PASSWORD, "password": PASSWORD})
    client.call("POST", "/login/", f'{{"password": "{PASSWORD}", "password": 1}}')
    client.call("POST", "/login/", f'{{"password": "{PASSWORD}"')
    client.call("POST", "/register/", registration("alice"))
    client.call("POST", "/register/", registration("bob", WRONG + "\x00"))
    everything = {"password": WRONG, "refresh": tokens[1], "access": tokens[0]}
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<username:username>", "alice")
        path = path.removeprefix(BASE_PATH) if path.startswith(BASE_PATH) else ""
        for method in sorted((rule.methods or set()) | {"TRACE", "PUT"}):
            for token in ("", tokens[2], tokens[1], tokens[2] + "x", WRONG):
                if rule.rule.endswith("logout/") and token == tokens[2]:
                    continue
                secret = token or PASSWORD
                query = f"?password={PASSWORD}&access_token={tokens[0]}"
                client.call(method, path + query, everything, token, secret)
        client.call("GET", f"{path}{tokens[0]}/", None, tokens[2])
    client.call("POST", "/token/refresh/", {"refresh": tokens[1]})
    client.call("POST", "/logout/", {"refresh": tokens[3]}, tokens[2])
    client.call("GET", "/me/", None, tokens[2])
    return tokens


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_nothing_that_is_written_holds_a_secret(
    app: Flask, database_url: str, tmp_path: Path, log_format: str
) -> None:
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        url = url.set(password=DB_PASSWORD)
    settings = {
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "CAREERS_USERS_JWT_SECRET_KEY": KEY,
        "CAREERS_USERS_LOG_LEVEL": "DEBUG",
        "CAREERS_USERS_LOG_FORMAT": log_format,
        "CAREERS_USERS_METRICS": "true",
    }
    with Server(tmp_path, command=BOTH, **settings) as server:
        client = Careless(server.port)
        secrets = use_everything(client, app)
        hashes = live_server.ask(database_url, "SELECT password_hash FROM users")
        live_server.ask(database_url, "ALTER TABLE refresh_tokens RENAME TO lost")
        client.call("POST", "/register/", registration("carol"))
        client.call("POST", "/login/", {"username": "alice", "password": PASSWORD})
        client.call("POST", "/token/refresh/", {"refresh": secrets[1]})
        live_server.ask(database_url, "ALTER TABLE users RENAME TO gone")
        client.call("GET", "/me/", None, secrets[0])
        assert server.stop() == 0

    assert {200, 201, 400, 401, 404, 405, 409, 503} <= client.statuses
    assert 500 not in client.statuses
    log = server.log
    assert log.count("careers_users.requests") > 100
    assert "The database is in trouble" in log
    assert "login_failed" in log
    secrets += [PASSWORD, WRONG, KEY, DB_PASSWORD, "$argon2", *(h for (h,) in hashes)]
    for token in secrets[:4]:
        secrets += token.split(".")[1:]  # All but the header, which all tokens share.
    for secret in secrets:
        assert secret not in log, secret[:12]
