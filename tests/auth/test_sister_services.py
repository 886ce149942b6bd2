"""docs/sister-services.md: its code, run against the served product."""

import base64
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from careers_users.auth import jwks
from careers_users.http.occasional import Occasional
from tests import live_server
from tests.api import Api
from tests.keys.key_rings import JWKS, keys_command
from tests.live_server import Client, Server
from tests.node import Node

DOCUMENT = Path(__file__).parents[2] / "docs/sister-services.md"
IN_PYTHON = """
import sys
for token in sys.argv[1:]:
    try:
        print(user_id(token))
    except jwt.PyJWTError:
        print("refused")
"""
IN_JAVASCRIPT = """
for (const token of process.argv.slice(2)) {
  console.log(await userId(token).catch(() => "refused"));
}
"""


def block(language: str) -> str:
    """Return the piece of code of a language in the document."""
    (code,) = re.findall(
        rf"```{language}\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL
    )
    return str(code)


@pytest.fixture(params=["EdDSA", "RS256"])
def server(
    database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """Yield the service with a ring of keys of an algorithm."""
    ring = tmp_path / "ring.json"
    keys_command(ring, "generate", "--algorithm", request.param)
    settings = {"DATABASE_URL": database_url, "CAREERS_USERS_JWT_KEY_RING": str(ring)}
    settings["CAREERS_USERS_JWT_SECRET_KEY"] = live_server.KEY
    with Server(tmp_path, **settings) as server:
        yield server


def altered(token: str) -> str:
    """Return a token that claims to be of another user, with the old signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    other = json.dumps(claims | {"sub": "999"}).encode()
    payload = base64.urlsafe_b64encode(other).rstrip(b"=").decode()
    return f"{header}.{payload}.{signature}"


def test_the_code_tells_good_tokens_from_bad(
    server: Server, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(server.port) as client:
        alice = client.register("alice").body
    (tmp_path / "verify.py").write_text(f"{block('python')}\n{IN_PYTHON}\n")
    (tmp_path / "verify.mjs").write_text(f"{block('js')}\n{IN_JAVASCRIPT}\n")

    good, bad = alice["access"], [alice["refresh"], altered(alice["access"]), "x.y.z"]
    monkeypatch.setenv("USERS_URL", f"http://127.0.0.1:{server.port}")
    python = subprocess.run(
        [sys.executable, "verify.py", good, *bad, good],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    script = node.run(tmp_path, "node", "verify.mjs", good, *bad, good)
    number = str(alice["user"]["id"])
    for done in (python, script):
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [number, *["refused"] * 3, number]


def test_the_claims_are_those_of_the_table(api: Api) -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", DOCUMENT.read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"\w+", row)}
    payload = api.register("alice").access.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))

    # `fresh` is Flask-JWT-Extended's, and means nothing here.
    assert claims.keys() - {"fresh"} == named
    assert isinstance(claims["sub"], str)
    assert claims["exp"] - claims["iat"] == 3600


def test_an_empty_key_set_says_in_the_log_what_to_do(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "_empty", Occasional())
    caplog.set_level(logging.WARNING, jwks.__name__)
    for _ in range(3):
        assert api.get(JWKS).json == {"keys": []}

    (message,) = [record.getMessage() for record in caplog.records]
    assert "careers-users keys generate" in message
    assert "CAREERS_USERS_JWT_KEY_RING" in message
