"""JSON as it comes in, which is strict, and as it goes out."""

import json
from typing import Any

import orjson
from flask import Response, current_app
from flask.json.provider import JSONProvider

from careers_users.http.errors import MalformedJson


def strict_json(raw: bytes) -> Any:
    """Return what JSON text says, if everybody would read it the same way.

    Raises MalformedJson otherwise (RFC 8259, I-JSON RFC 7493).
    """
    try:
        # The first parser refuses what the second lets pass (NaN, lone surrogates, bad
        # UTF-8, deep nesting), the second sees the duplicate keys.
        orjson.loads(raw)
        return json.loads(raw, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise MalformedJson(_reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, orjson.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})."
    return "Nested too deep." if isinstance(error, RecursionError) else str(error)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("A key is there twice.")
    return members


class OrjsonProvider(JSONProvider):
    """JSON for replies: times as RFC 3339 in UTC, `Z`, whole seconds."""

    OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return `obj` as JSON text."""
        return orjson.dumps(obj, option=self.OPTIONS).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Return what the JSON text says; ValueError if it is none."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a response with the arguments as its JSON body."""
        body = orjson.dumps(
            self._prepare_response_obj(args, kwargs), option=self.OPTIONS
        )
        return current_app.response_class(body, mimetype="application/json")


class JsonResponse(Response):
    """A response that is JSON unless it says otherwise, also when it is empty."""

    default_mimetype = "application/json"
