"""The Python client beside docs/openapi.json: all of its calls, and its types."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from careers_users_client import CareersUsers, MemoryStore, Tokens

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "clients/python"
PATHS: dict[str, Any] = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in PATHS.items()
    for method, operation in methods.items()
}
# The calls without a method, and the reason.
LEFT_OUT = {
    "patchMe": "the same as updateProfile",
    "getLiveness": "for the operator's monitoring",
    "getReadiness": "for the operator's monitoring",
    "getPublicKeys": "for libraries that verify tokens, which read it by themselves",
}
# Methods that keep the tokens of the reply to themselves.
QUIET = ("register", "login", "logout", "refreshTokens", "changePassword")


def snake_case(name: str) -> str:
    """Return the name of the method for an operation."""
    return re.sub("([A-Z])", lambda match: f"_{match[1].lower()}", name)


def test_every_operation_has_its_method_and_every_method_its_operation() -> None:
    called = {snake_case(name) for name in OPERATIONS.keys() - LEFT_OUT.keys()}
    public = {name for name in dir(CareersUsers) if not name.startswith("_")}
    iterators = {name for name in public if name.startswith("iter_")}

    assert LEFT_OUT.keys() < OPERATIONS.keys()
    assert public - iterators == called | {"close", "store"}
    assert {name.replace("iter_", "list_") for name in iterators} == {
        name for name in called if name.startswith("list_")
    } - {"list_sessions"}  # It comes whole.


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - LEFT_OUT.keys()))
def test_a_method_makes_the_documented_call(name: str) -> None:
    method, path, operation = OPERATIONS[name]
    status, reply = next(
        (int(status), reply)
        for status, reply in operation["responses"].items()
        if status.startswith("2")
    )
    example = reply["content"]["application/json"]["example"]
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(status, json=example)

    client = CareersUsers(
        "https://example.com",
        MemoryStore(Tokens("ACCESS_TOKEN", "REFRESH_TOKEN")),
        service_token="SERVICE_TOKEN",
        http_transport=httpx.MockTransport(answer),
    )
    where = re.findall(r"{(\w+)}", path)
    content = operation.get("requestBody", {}).get("content", {})
    body: Any = content[next(iter(content))]["example"] if content else None
    words = [body] if name == "reportEvents" else where
    fields = {} if name in ("reportEvents", "logout", "refreshTokens") else body or {}
    returned = getattr(client, snake_case(name))(*words, **fields)

    (request,) = sent
    assert (request.method, request.url.path) == (method, re.sub("[{}]", "", path))
    schemes = [scheme for each in operation.get("security", []) for scheme in each]
    credential = {"bearer": "ACCESS_TOKEN", "service": "SERVICE_TOKEN"}
    wanted = [f"Bearer {credential[scheme]}" for scheme in schemes]
    assert request.headers.get_list("Authorization") == wanted
    got = json.loads(request.content) if request.content else None
    if name == "refreshTokens":
        body = {**body, "rotate": True}
    assert got == ([body] if name == "reportEvents" else body) or body == {}
    assert request.headers.get("Content-Type") in (*content, None)
    if name not in QUIET:
        assert returned == example


def test_the_types_are_those_of_the_document(tmp_path: Path) -> None:
    fresh = tmp_path / "types.py"
    command = [sys.executable, "-m", "datamodel_code_generator", "--output", str(fresh)]
    done = subprocess.run(
        command, cwd=PACKAGE, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    written = (PACKAGE / "careers_users_client/types.py").read_text("utf-8")
    assert fresh.read_text("utf-8") == written, (
        "Write it anew: see clients/python/README.md."
    )
