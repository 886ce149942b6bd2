"""Refusals in the OpenAPI document: their one form, and a response for each status."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from apispec import APISpec

from careers_users.http.errors import ServiceError

_JSON = "application/json"
_TEXT = {"type": "string"}
ERROR = {
    "type": "object",
    "description": "What every call answers when it refuses.",
    "required": ["error", "code", "details"],
    "properties": {
        "error": _TEXT | {"description": "A sentence for people."},
        "code": _TEXT | {"description": "A stable word for programs."},
        "details": {
            "description": "Fields and their messages, or a sentence.",
            "anyOf": [
                {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": _TEXT},
                },
                _TEXT,
            ],
        },
    },
}


class Refusal(NamedTuple):
    """A refusal as the document tells it."""

    status: int
    code: str
    sentence: str
    headers: tuple[str, ...] = ()


def _subclasses(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def refusals_anywhere(named: Iterable[type[ServiceError]]) -> list[type[ServiceError]]:
    """Return the refusals that any call may answer with.

    "Try again later" (429, 503), unless it is `named` by a view as its own.
    """
    own = set(named)
    return [
        refusal
        for refusal in dict.fromkeys(_subclasses(ServiceError))
        if refusal.status in (429, 503) and refusal not in own
    ]


def error_response(spec: APISpec, refusals: list[Refusal]) -> str:
    """Return the name of the response for these refusals of one status.

    One response for all the calls that may answer with exactly these.
    """
    status, codes = refusals[0].status, [refusal.code for refusal in refusals]
    name = "-".join([str(status), *codes])
    if name in spec.components.responses:
        return name
    examples = {
        code: {"value": {"error": sentence, "code": code, "details": sentence}}
        for _, code, sentence, _ in refusals
    }
    narrowed = {"properties": {"code": {"enum": codes}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Error"}, narrowed]}
    response: dict[str, Any] = {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {_JSON: {"schema": schema, "examples": examples}},
    }
    headers = dict.fromkeys(name for refusal in refusals for name in refusal.headers)
    if headers:
        response["headers"] = {
            name: {"required": True, "schema": _TEXT} for name in headers
        }
    spec.components.response(name, response)
    return name
