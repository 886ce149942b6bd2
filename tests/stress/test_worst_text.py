"""Hostile input. The largest body of the worst text costs less than a password's hash.

S1: to every field of every operation in the OpenAPI document, and to every parameter.
What is measured is this thread's processor time, which a busy machine does not change.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from careers_users import create_app
from careers_users.extensions import db
from careers_users.http.openapi.document import document
from careers_users.validation.limits import BASE_PATH
from config import TestConfig
from tests.api import Api
from tests.conftest import KEY

pytestmark = [pytest.mark.stress, pytest.mark.quick]

BODY_BYTES = 64 * 1024
# Less than the server's limit of 16 KiB for a whole header.
QUERY_BYTES = 12 * 1024
# The bound, and what the cheapest hash takes beside it.
BOUND_SECONDS = 0.05
HASH_SECONDS = 0.03
TRIES = 3
# Code points that the longest fields take in: of passwords, of bios and logins.
FITTING = (1000, 4000)
SERVICE = "a credential of the posts service, for tests"
# Each is repeated until the body is full: `three marks` is nfc.sh's.
WORST = {
    "mark pairs": "\u0f73",
    "longest decomposition": "\ufdfa",
    "joined emoji": "👩\u200d",
    "viramas": "क\u094d\u200d",
    "white space": "a \u3000\n",
    "at signs": "a@",
    "dots": "a.",
    "digits": "9",
    "NUL": "\0",
}


@pytest.fixture(scope="module")
def app(
    sqlite_template: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """Yield the application, without limits on tries and with the cheapest hashes."""
    path = tmp_path_factory.mktemp("worst") / "test.db"
    path.write_bytes(sqlite_template.read_bytes())
    settings = TestConfig(
        database_url=f"sqlite:///{path}",
        jwt_secret_key=KEY,
        events_tokens=(SERVICE,),
        ratelimit_enabled=False,
        argon2_memory_kib=7168,
        argon2_time_cost=1,
    )
    app = create_app(settings)
    yield app
    with app.app_context():
        db.engine.dispose()


def filled(unit: str, size: int) -> str:
    """Return a text of this unit that takes so many bytes in JSON."""
    return unit * (size // (len(encoded(unit)) - 2))


def three_marks(size: int) -> str:
    """Return marks in the order in which an insertion sort has most to do."""
    third = size // 6
    return "a" + "\u0345" * third + "\u0300" * third + "\u0323" * third


def texts(size: int) -> dict[str, str]:
    """Return the worst texts of a size, by their names, and what fits into fields."""
    whole = {name: filled(unit, size) for name, unit in WORST.items()}
    whole["three marks"] = three_marks(size)
    fitting = {
        f"{length} of {name}": three_marks(6 * length // 3)[:length]
        if name == "three marks"
        else text[:length]
        for name, text in whole.items()
        for length in FITTING
    }
    return whole | fitting


def operations(app: Flask) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give method, path and description of each operation, references replaced."""
    with app.app_context():
        described = document(app)
    schemas = described["components"]["schemas"]

    def whole(value: Any) -> Any:
        if isinstance(value, dict):
            reference = value.get("$ref", "").rpartition("/")[2]
            if reference in schemas:
                return whole(schemas[reference])
            return {key: whole(inner) for key, inner in value.items()}
        return [whole(each) for each in value] if isinstance(value, list) else value

    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            shown = {k: v for k, v in operation.items() if k != "responses"}
            yield method.upper(), path, whole(shown)


def bodies(content: dict[str, Any]) -> Iterator[tuple[str, str, bytes]]:
    """Give the bodies of an operation: media type, what is bad, and the bytes."""
    for media_type, form in content.items():
        schema = form["schema"]
        item = schema.get("items", schema)
        example = form.get("example", {})
        example = example[0] if isinstance(example, list) else example
        for place in places(item):
            for name, text in texts(BODY_BYTES - 2048).items():
                value = put(example, place, text)
                whole = [value] if schema.get("type") == "array" else value
                raw = encoded(whole)
                assert len(raw) <= BODY_BYTES
                yield media_type, f"{place} {name}", raw
        for name, raw in malformed().items():
            yield media_type, name, raw


def places(schema: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Give the paths to all fields of a body, and to one that it does not have."""
    for name, inner in schema.get("properties", {}).items():
        yield (name,)
        for place in places(inner) if "properties" in inner else ():
            yield (name, *place)
    yield ("no_such_field",)


def put(body: dict[str, Any], place: tuple[str, ...], text: str) -> dict[str, Any]:
    """Return a copy of a body with a text in one of its fields."""
    name, *rest = place
    inner = body.get(name)
    value = (
        put(inner if isinstance(inner, dict) else {}, tuple(rest), text)
        if rest
        else text
    )
    return {**body, name: value}


def malformed() -> dict[str, bytes]:
    """Return bodies that are bad as a whole."""
    return {
        "many fields": encoded({f"f{n}": n for n in range(4500)}),
        "nested": b"[" * BODY_BYTES,
        "nested objects": b'{"a":' * (BODY_BYTES // 5),
        "a number": b'{"username":' + b"9" * (BODY_BYTES - 20) + b"}",
        "one string": b'"' + b"a" * (BODY_BYTES - 2) + b'"',
        "many items": b"[" + b"1," * (BODY_BYTES // 2 - 2) + b"1]",
    }


def encoded(value: Any) -> bytes:
    """Return JSON in as few bytes as can be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def seconds(api: Api, method: str, path: str, **options: Any) -> float:
    """Return the least processor time that a call takes; it must be refused or done."""
    least = float("inf")
    headers = {"Authorization": f"Bearer {options.pop('token')}"}
    options["headers"] = headers | options.get("headers", {})
    url = path if path.startswith("/") else f"{BASE_PATH}/{path}"
    client = api.app.test_client()
    for _ in range(TRIES):
        began = time.thread_time()
        reply = client.open(url, method=method, **options)
        least = min(least, time.thread_time() - began)
        assert reply.status_code < 500, (method, path, reply.text[:200])
        if least < BOUND_SECONDS + HASH_SECONDS:
            break
    return least


def test_the_largest_body_of_the_worst_text_to_every_field(app: Flask) -> None:
    """The largest body of the worst text (runs of marks, text that folds to more), sent
    to any field of any operation, takes less than 50 ms of processor time beside a
    password's hash."""
    api = Api(app)
    token = api.register("alice").access
    slow, calls = {}, 0
    for method, path, operation in operations(app):
        content = operation.get("requestBody", {}).get("content", {})
        bearer = SERVICE if "events" in path else token
        for media_type, name, raw in bodies(content):
            headers = {"Content-Type": media_type}
            call = {"data": raw, "headers": headers, "token": bearer}
            took = seconds(api, method, path.replace("{username}", "alice"), **call)
            calls += 1
            if took > BOUND_SECONDS + HASH_SECONDS:
                slow[method, path, name] = took
    assert calls > 200
    assert slow == {}


def test_the_longest_query_and_path_of_the_worst_text(app: Flask) -> None:
    """The longest query and path of the worst text take less than 50 ms of processor
    time."""
    api = Api(app)
    token = api.register("bob").access
    slow, calls = {}, 0
    for method, path, operation in operations(app):
        for parameter in operation.get("parameters", []):
            for name, text in texts(QUERY_BYTES).items():
                raw = text.encode().decode("latin-1")
                environ = {"QUERY_STRING": f"{parameter['name']}={raw}"}
                if parameter["in"] == "path":
                    environ = {"PATH_INFO": path.replace("{username}", raw)}
                took = seconds(
                    api, method, path, token=token, environ_overrides=environ
                )
                calls += 1
                if took > BOUND_SECONDS + HASH_SECONDS:
                    slow[method, path, parameter["name"], name] = took
    assert calls > 200
    assert slow == {}
