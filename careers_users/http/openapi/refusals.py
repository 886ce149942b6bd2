"""Refusals in the OpenAPI document: one form for all, a response for each status."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from apispec import APISpec

from careers_users.http.errors import (
    HTTP_ERRORS,
    Details,
    MalformedJson,
    ServiceError,
    ValidationFailed,
)

_JSON = "application/json"
_TEXT = {"type": "string"}
_SECONDS = {"type": "integer", "minimum": 0}
_HEADERS: dict[str, dict[str, Any]] = {
    "Allow": {"description": "The methods of this address.", "schema": _TEXT},
    "Retry-After": {
        "description": "In how many seconds to try again.",
        "schema": _SECONDS,
    },
    "WWW-Authenticate": {"description": "Always `Bearer`.", "schema": _TEXT},
}
# `details` of refusals that say something else each time: what the service answers to
# a field or parameter it does not know, and to a body that is a list.
_DETAILS: dict[type[ServiceError], Details] = {
    ValidationFailed: {"nickname": ["Unknown field."]},
    MalformedJson: "The body must be a JSON object.",
}
ERROR_REPLY = "ErrorReply"
_ERROR_CODE = "ErrorCode"
_ERROR = {
    "type": "object",
    "description": "The reply of every call that is refused.",
    "required": ["error", "code", "details"],
    "properties": {
        "error": _TEXT | {"description": "A sentence for people."},
        "code": {
            "description": "A stable word for programs. A later version may have more.",
            # Not the enumeration alone: generated clients must not stumble over a code
            # that is newer than they are.
            "anyOf": [{"$ref": f"#/components/schemas/{_ERROR_CODE}"}, _TEXT],
        },
        "details": {
            "description": "Fields and their messages, or a sentence; facts for "
            "programs where the code is `account_suspended`.",
            "anyOf": [
                {
                    "type": "object",
                    "additionalProperties": {
                        "anyOf": [
                            {"type": "array", "items": _TEXT},
                            _TEXT,
                            {"type": "null"},
                        ]
                    },
                },
                _TEXT,
            ],
        },
    },
}


class Refusal(NamedTuple):
    """A refusal as the document tells it."""

    name: str
    status: int
    code: str
    sentence: str
    details: Details
    headers: tuple[str, ...] = ()


def refusal_of(kind: type[ServiceError]) -> Refusal:
    """Return a refusal by its class."""
    raised = kind()
    details = _DETAILS.get(kind, raised.details)
    name = kind.__name__
    return Refusal(
        name, kind.status, kind.code, kind.error, details, tuple(raised.headers)
    )


def http_refusal(status: int, *headers: str) -> Refusal:
    """Return what Flask or Werkzeug refuse with a status."""
    code, sentence = HTTP_ERRORS[status]
    name = code.title().replace("_", "")
    return Refusal(name, status, code, sentence, sentence, headers)


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


def add_error_schemas(spec: APISpec, codes: Iterable[str]) -> None:
    """Add the form that all errors share, and the list of their codes."""
    listed = {"type": "string", "description": "The codes of errors."}
    spec.components.schema(_ERROR_CODE, listed | {"enum": sorted(codes)})
    spec.components.schema(ERROR_REPLY, _ERROR)


def error_response(spec: APISpec, refusals: list[Refusal]) -> str:
    """Return the name of the response for these refusals of one status.

    One response for all the calls that may answer with exactly these.
    """
    name = "Or".join(refusal.name for refusal in refusals)
    response = _response(refusals)
    if name not in spec.components.responses:
        spec.components.response(name, response)
    assert spec.components.responses[name] == response, f"two kinds of {name}"
    return name


def _response(refusals: list[Refusal]) -> dict[str, Any]:
    examples = {
        refusal.code: {
            "value": {
                "error": refusal.sentence,
                "code": refusal.code,
                "details": refusal.details,
            }
        }
        for refusal in refusals
    }
    reference = {"$ref": f"#/components/schemas/{ERROR_REPLY}"}
    response: dict[str, Any] = {
        "description": ", ".join(f"`{refusal.code}`" for refusal in refusals),
        "content": {_JSON: {"schema": reference, "examples": examples}},
    }
    headers = dict.fromkeys(name for refusal in refusals for name in refusal.headers)
    if headers:
        response["headers"] = {
            name: {"required": True, **_HEADERS[name]} for name in headers
        }
    return response
