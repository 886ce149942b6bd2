"""The OpenAPI document: whole, valid, and made of what the views say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.routing import Rule

from careers_users import create_app
from careers_users.http.decorators import operation_of
from careers_users.http.openapi import document as openapi_document
from careers_users.http.openapi.schemas import example_of
from careers_users.validation.limits import BASE_PATH, USERNAME_MAX
from config import TestConfig
from tests import in_process
from tests.api import Api, check_shape
from tests.conftest import KEY
from tests.live_server import run
from tests.mailbox import EVERYTHING

COMMITTED = Path(__file__).parents[3] / "docs/openapi.json"
# The settings that turn all calls on.
ALL_CALLS = {f"CAREERS_USERS_{name.upper()}": EVERYTHING[name] for name in EVERYTHING}
# Routes for readers and tools, not for clients: the page and its files.
NOT_CALLS = re.compile(rf"/|/docs(/.*)?|/openapi\.json|{BASE_PATH}/email/confirm/.*")


def make(**options: Any) -> Flask:
    """Return an application with every call, whose database is not asked."""
    values = {**EVERYTHING, **options}
    return create_app(
        TestConfig(
            database_url="sqlite:////nowhere/none.db", jwt_secret_key=KEY, **values
        )
    )


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Return the document of the service as it is by default."""
    return openapi_document.document(make())


def routes(app: Flask) -> dict[tuple[str, str], Rule]:
    """Return the calls of the URL map, as the document names them."""
    return {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower()): rule
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not NOT_CALLS.fullmatch(rule.rule)
    }


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the operations of a document, by path and method."""
    return {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def resolved(document: dict[str, Any], value: Any) -> Any:
    """Return the target of a reference, or the value itself."""
    while "$ref" in value:
        _, *parts = value["$ref"].split("/")
        value = document
        for part in parts:
            value = value[part]
    return value


def codes(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, list[str]]:
    """Return the codes of the errors that a call may answer with, by status."""
    found = {}
    for status, response in operation["responses"].items():
        content = resolved(document, response)["content"]["application/json"]
        if content["schema"] == {"$ref": "#/components/schemas/ErrorReply"}:
            found[status] = list(content["examples"])
    return found


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    errors = OpenAPIV31SpecValidator(document).iter_errors()
    assert [str(error) for error in errors] == []


def test_every_route_is_in_the_document_and_nothing_else(
    document: dict[str, Any],
) -> None:
    found = operations(document)
    assert found.keys() == routes(make()).keys()
    for path in ("me/", "me/update/"):
        assert (f"{BASE_PATH}/{path}", "patch") in found
    names = [operation["operationId"] for operation in found.values()]
    assert len(set(names)) == len(names)
    for operation in found.values():
        assert operation["summary"].endswith(".")
    described = {tag["name"]: tag["description"] for tag in document["tags"]}
    assert {"auth", "profile", "follow", "health"} <= described.keys()
    assert all(described.values())
    assert {operation["tags"][0] for operation in found.values()} == described.keys()


def test_the_committed_copy_is_the_document() -> None:
    assert COMMITTED.read_text("utf-8") == openapi_document.text(make()), (
        "docs/openapi.json is stale: README.md (Development) shows how it is written"
    )


def test_the_command_prints_the_document(tmp_path: Path) -> None:
    found = run(tmp_path, "openapi", **ALL_CALLS)
    assert found.stdout == COMMITTED.read_text("utf-8")
    words = ("openapi", "--output", "copy.json")
    assert in_process.run(tmp_path, *words, **ALL_CALLS).stdout == ""
    assert (tmp_path / "copy.json").read_bytes() == COMMITTED.read_bytes()


# ---------------------------------------------------------------------- what it says


def test_a_call_in_full(document: dict[str, Any]) -> None:
    follow = document["paths"][f"{BASE_PATH}/follow/"]["post"]

    assert follow["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert follow["tags"] == ["follow"]
    content = follow["requestBody"]["content"]["application/json"]
    assert content["example"] == {"following": 2}
    request = resolved(document, content["schema"])
    assert request["properties"]["following"]["maximum"] == 2**63 - 1
    assert request["additionalProperties"] is False
    answer = follow["responses"]["201"]["content"]["application/json"]
    assert answer["example"]["following_username"] == "bob"
    assert codes(document, follow) == {
        "400": [
            *("validation_failed", "malformed_json", "cannot_follow_self"),
            "malformed_request",
        ],
        "401": [
            *("not_authenticated", "token_invalid", "token_expired", "token_revoked"),
        ],
        "404": ["user_not_found"],
        "409": ["already_following", "limit_reached", "blocking"],
        "413": ["payload_too_large"],
        "415": ["unsupported_media_type"],
        "429": ["rate_limited"],
        "503": ["service_unavailable"],
    }
    headers = {
        status: list(resolved(document, response).get("headers", ()))
        for status, response in follow["responses"].items()
    }
    assert headers["401"] == ["WWW-Authenticate"]
    assert headers["503"] == headers["429"] == ["Retry-After"]


def test_the_query_of_the_list_in_full(document: dict[str, Any]) -> None:
    call = document["paths"][f"{BASE_PATH}/"]["get"]
    schemas = {one["name"]: one["schema"] for one in call["parameters"]}
    number = {"type": "integer", "maximum": 999_999_999}
    term = {"type": "string", "maxLength": 150}

    assert call["security"] == [{}, {"bearer": []}]
    assert schemas.pop("ordering") == {
        "type": "string",
        "default": "username",
        "enum": [
            *("username", "created_at", "first_name", "last_name"),
            *("-username", "-created_at", "-first_name", "-last_name"),
        ],
    }
    assert schemas.pop("ids")["example"] == [2, 3]
    assert schemas == {
        **dict.fromkeys(("search", "q", "first_name", "last_name"), term),
        "batch_size": number | {"minimum": 1, "default": 10},
        "batch_number": number | {"minimum": 0, "default": 0},
    }


def test_names_in_paths_have_their_limits(document: dict[str, Any]) -> None:
    call = document["paths"][BASE_PATH + "/{username}/stats/"]["get"]
    (name,) = call["parameters"]

    assert name["in"] == "path"
    assert name["required"] is True
    assert name["schema"]["maxLength"] == USERNAME_MAX
    assert codes(document, call)["404"] == ["user_not_found", "not_found"]
    assert codes(document, call)["405"] == ["method_not_allowed"]


def test_input_is_closed_and_output_is_open(
    document: dict[str, Any],
) -> None:
    for operation in operations(document).values():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            request = resolved(document, content["schema"])
            if request.get("type") == "array":
                request = resolved(document, request["items"])
            if "specversion" in request["properties"]:
                continue  # CloudEvents allows extensions, so an event is open.
            assert request["additionalProperties"] is False
        for status, response in operation["responses"].items():
            content = resolved(document, response)["content"]["application/json"]
            answer = resolved(document, content["schema"])
            if status < "300":
                assert set(answer["required"]) <= answer["properties"].keys()
                assert answer["required"]
                assert "additionalProperties" not in answer


def test_every_refusal_that_a_view_names_is_documented(
    document: dict[str, Any],
) -> None:
    app, found = make(), operations(document)
    for key, rule in routes(app).items():
        documented = codes(document, found[key])
        for refusal in operation_of(app.view_functions[rule.endpoint]).refusals:
            assert refusal.code in documented[str(refusal.status)], key


def test_examples_are_good_requests_and_whole_replies() -> None:
    app = make()
    checked = 0
    for rule in routes(app).values():
        said = operation_of(app.view_functions[rule.endpoint])
        if said.body is not None and example_of(said.body) is not None:
            with app.app_context():
                said.body.load(example_of(said.body))
            checked += 1
        if said.reply is not None and example_of(said.reply) is not None:
            check_shape(said.reply, example_of(said.reply))
            checked += 1
    assert checked > 20


# ------------------------------------------------------------------- how it is served


def test_it_is_served_and_kept_until_it_changes(mail_api: Api) -> None:
    api = mail_api
    response = api.get("/openapi.json")
    assert response.json == json.loads(COMMITTED.read_text("utf-8"))
    assert response.headers["Cache-Control"] == "no-cache"

    client = api.app.test_client()
    tag = response.headers["ETag"]
    again = client.get("/openapi.json", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    other = client.get("/openapi.json", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


def test_it_is_made_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = api.get("/openapi.json").data
    monkeypatch.setattr(
        openapi_document, "document", lambda _: pytest.fail("made again")
    )

    assert api.get("/openapi.json").data == first
