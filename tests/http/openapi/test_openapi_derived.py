"""The OpenAPI document follows the code: new calls, kinds of value and settings."""

import re
from typing import Any

import pytest
from flask_marshmallow.schema import Schema
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import fields
from marshmallow.validate import Length, OneOf, Range
from openapi_spec_validator import OpenAPIV31SpecValidator

from careers_users.auth.identity import signed_in
from careers_users.http.decorators import body, query, refuses, reply
from careers_users.http.errors import Forbidden
from careers_users.http.openapi import document as openapi_document
from careers_users.validation.fields import AvatarUrl, BodySchema, Text
from careers_users.validation.limits import (
    BASE_PATH,
    USERNAME_MAX,
    USERNAME_MIN,
    USERNAME_PATTERN,
)
from careers_users.validation.usernames import is_username
from tests.http.openapi.test_openapi import codes, make, operations


class Colour(Text):
    """A colour of the rainbow."""

    raw_max = 20


class PaintSchema(BodySchema):
    """Body of the test's own call."""

    colour = Colour(required=True, validate=OneOf(["red", "blue"]))
    coats = fields.Integer(validate=Range(1, 9), load_default=2)
    note = Text(length=Length(max=20), metadata={"description": "For the painter."})


class DrySchema(Schema):
    """Reply of the test's own call."""

    hours = fields.List(fields.Integer(allow_none=True))


@signed_in
@body(PaintSchema())
@refuses(Forbidden)
@reply(DrySchema(), 202)
def paint(number: int, payload: dict[str, Any]) -> dict[str, Any]:
    """Paint a wall.

    It takes a while.
    """
    return {"hours": [number, *payload]}


@query(PaintSchema())
@reply(DrySchema())
def walls(query: dict[str, Any]) -> dict[str, Any]:
    """List walls."""
    return query


@pytest.fixture
def document() -> dict[str, Any]:
    """Return the document of an application that has two calls more."""
    app = make()
    path = f"{BASE_PATH}/walls/"
    app.add_url_rule(f"{path}<int:number>/", view_func=paint, methods=["PUT"])
    app.add_url_rule(path, view_func=walls)
    document = openapi_document.document(app)
    errors = OpenAPIV31SpecValidator(document).iter_errors()
    assert [str(error) for error in errors] == []
    return document


def test_a_new_call_needs_no_word_elsewhere(document: dict[str, Any]) -> None:
    call = document["paths"][BASE_PATH + "/walls/{number}/"]["put"]
    assert call["summary"] == "Paint a wall."
    assert call["description"] == "It takes a while."
    assert call["parameters"][0]["schema"] == {"type": "integer"}
    assert next(iter(call["responses"])) == "202"
    assert codes(document, call)["403"] == ["forbidden"]
    call = document["paths"][BASE_PATH + "/walls/"]["get"]
    assert [one["name"] for one in call["parameters"]] == ["colour", "coats", "note"]
    assert [one["required"] for one in call["parameters"]] == [True, False, False]


def test_a_new_kind_of_value_describes_itself(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Paint"] == {
        "description": "Body of the test's own call.",
        "type": "object",
        "properties": {
            "colour": {"type": "string", "enum": ["red", "blue"]},
            "coats": {
                "type": "integer",
                "minimum": 1,
                "maximum": 9,
                "description": "`2` if left out.",
            },
            "note": {
                "type": "string",
                "maxLength": 20,
                "description": "For the painter.",
            },
        },
        "required": ["colour"],
        "additionalProperties": False,
    }
    hours = schemas["Dry"]["properties"]["hours"]
    assert hours == {"type": "array", "items": {"type": ["integer", "null"]}}


def test_without_public_reads_all_calls_ask_for_a_token() -> None:
    document = openapi_document.document(make(public_reads=False))

    assert [
        key
        for key, operation in operations(document).items()
        if {} in operation["security"]
    ] == []
    directory = document["paths"][f"{BASE_PATH}/"]["get"]
    assert directory["security"] == [{"bearer": []}, {"service": []}]
    assert "not_authenticated" in codes(document, directory)["401"]


def test_the_pattern_of_usernames_is_their_rule() -> None:
    pattern = re.compile(USERNAME_PATTERN)
    good = ["alice", "a.b-c", "a.-b", "_x_", "A-.-b", "0" * USERNAME_MAX]
    bad = [".alice", "alice-", "a..b", "a--b", "a.-.-", "al ice", "älice", "alice\n"]
    for name in good:
        assert is_username(name), name
    for name in [*bad, "ab", "a" * (USERNAME_MAX + 1)]:
        assert not is_username(name), name

    @settings(deadline=None, database=None, derandomize=True)
    @given(st.text("aZ0_.-", min_size=USERNAME_MIN, max_size=12))
    def check(name: str) -> None:
        by_hand = (
            not re.search(r"\.\.|--", name)
            and name[0] not in ".-"
            and name[-1] not in ".-"
        )
        assert is_username(name) == by_hand == bool(pattern.fullmatch(name))

    check()


@pytest.mark.parametrize(
    "value", ["", "http://a", "HTTPS://a.example:8080/x?y=(z)#[1]", "http://a.b./"]
)
def test_the_pattern_of_avatars_takes_good_addresses(value: str) -> None:
    field = AvatarUrl()
    assert re.fullmatch(AvatarUrl.openapi["pattern"], value)
    assert field.deserialize(value) == (value or None)


@pytest.mark.parametrize(
    "value",
    ["ftp://a", "http://", "http://u@a", "http://a b", 'http://a/"', "http://ä"],
)
def test_the_pattern_of_avatars_refuses_bad_ones(value: str) -> None:
    assert not re.fullmatch(AvatarUrl.openapi["pattern"], value)
