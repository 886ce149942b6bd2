"""One call in the OpenAPI document: what it takes, answers and refuses."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from flask import Flask
from marshmallow import Schema
from werkzeug.routing import Rule

from careers_users.http.decorators import Operation, View, operation_of
from careers_users.http.errors import (
    MalformedJson,
    NotAuthenticated,
    ServiceError,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    ValidationFailed,
)
from careers_users.http.openapi.refusals import (
    Refusal,
    error_response,
    http_refusal,
    refusal_of,
)
from careers_users.http.openapi.schemas import SchemaPlugin, example_of

BEARER = "bearer"
SERVICE = "service"
_TOKEN: dict[str, list[str]] = {BEARER: []}
_SECURITY = {
    "none": [],
    "optional": [{}, _TOKEN],
    "required": [_TOKEN],
    # Reads that anybody may do, but for the setting PUBLIC_READS.
    "required or service": [_TOKEN, {SERVICE: []}],
    "service": [{SERVICE: []}],
}
_JSON = "application/json"
_TEXT = {"type": "string"}
_VARIABLE = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")
# Werkzeug's own converters of path segments; ours bring an attribute `openapi`.
_SEGMENTS = {"int": {"type": "integer"}, "uuid": {"type": "string", "format": "uuid"}}


def tag_of(rule: Rule) -> str:
    """Return the tag of a route's call: its blueprint's name."""
    return rule.endpoint.rpartition(".")[0] or "other"


class Call:
    """One route of the API on its way into the document."""

    def __init__(
        self, app: Flask, rule: Rule, view: View, anywhere: list[type[ServiceError]]
    ) -> None:
        self._app, self._rule, self._view = app, rule, view
        self._anywhere = anywhere
        self._said: Operation = operation_of(view)
        self._auth: str = self._said.auth
        if self._auth == "optional" and not app.config["PUBLIC_READS"]:
            self._auth = "required or service"
        self.path = _VARIABLE.sub(r"{\2}", rule.rule)
        self.methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})

    def operation(self, spec: APISpec, plugin: SchemaPlugin) -> dict[str, Any]:
        """Return the OpenAPI operation."""
        said = self._said
        summary, _, more = (self._view.__doc__ or "").strip().partition("\n")
        result: dict[str, Any] = {
            "operationId": self._operation_id(),
            "tags": [tag_of(self._rule)],
            "summary": summary,
        }
        if more.strip():
            result["description"] = " ".join(more.split())
        parameters = list(self._path_parameters())
        if said.query is not None:
            parameters += plugin.query_parameters(said.query)
        if parameters:
            result["parameters"] = parameters
        if said.body is not None:
            required = said.is_body_required
            result["requestBody"] = {"required": required, "content": _accepted(said)}
        result["responses"] = self._replies() | self._refused(spec)
        result["security"] = _SECURITY[self._auth]
        return result

    def _operation_id(self) -> str:
        """Return the endpoint's name as most languages write a function's."""
        endpoint: str = self._rule.endpoint
        first, *others = endpoint.rpartition(".")[2].split("_")
        return first + "".join(word.title() for word in others)

    def _path_parameters(self) -> Iterator[dict[str, Any]]:
        for converter, name in _VARIABLE.findall(self._rule.rule):
            kind = self._app.url_map.converters[converter or "default"]
            schema = dict(getattr(kind, "openapi", _SEGMENTS.get(converter, _TEXT)))
            parameter: dict[str, Any] = {"in": "path", "name": name, "required": True}
            parameter["description"] = f"The {name.replace('_', ' ')}."
            for key in ("description", "example"):
                if key in schema:
                    parameter[key] = schema.pop(key)
            yield {**parameter, "schema": schema}

    def _replies(self) -> dict[str, Any]:
        reply, example = self._said.reply, self._said.example
        body = {} if reply is None else {"content": _content(reply, example)}
        return {
            str(status): {
                "description": HTTPStatus(status).phrase,
                **({} if status == HTTPStatus.NO_CONTENT else body),
            }
            for status in (self._said.status, *self._said.also)
        }

    def _refused(self, spec: APISpec) -> dict[str, Any]:
        """Return the refusals as responses, one for each status.

        A status with which the view also answers in a form of its own is left alone.
        Of two refusals with one code, the view's own is the one to show.
        """
        by_status: dict[int, dict[str, Refusal]] = {}
        for refusal in self.refusals():
            by_status.setdefault(refusal.status, {})[refusal.code] = refusal
        for status in self._said.also:
            by_status.pop(status, None)
        return {
            str(status): error_response(spec, list(refusals.values()))
            for status, refusals in sorted(by_status.items())
        }

    def refusals(self) -> Iterator[Refusal]:
        """Yield all refusals of the call, those that the view names after others."""
        said, has_name = self._said, bool(_VARIABLE.search(self._rule.rule))
        if said.body is not None:
            yield http_refusal(413)
            yield http_refusal(415)
        for refusal in (*self._usual(has_name), *said.refusals, *self._anywhere):
            yield refusal_of(refusal)
        yield http_refusal(400)
        if has_name:  # A word of the paths in its place is another address, or none.
            yield http_refusal(404)
            yield http_refusal(405, "Allow")

    def _usual(self, has_name: bool) -> Iterator[type[ServiceError]]:
        """Yield what the decorators refuse."""
        said = self._said
        if said.body is not None or said.query is not None:
            yield ValidationFailed
        if said.body is not None:
            yield MalformedJson
        # `me` in the place of a name needs a token also where others do not.
        is_required = self._auth in ("required", "required or service")
        if is_required or (self._auth == "optional" and has_name):
            yield NotAuthenticated
        if self._auth == "service":
            yield from (NotAuthenticated, TokenInvalid)
        elif self._auth != "none":
            yield from (TokenInvalid, TokenExpired, TokenRevoked)


def _content(schema: Schema, example: Any = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    example = example_of(schema) if example is None else example
    if example is not None:
        content["example"] = example
    return {_JSON: content}


def _accepted(said: Operation) -> dict[str, Any]:
    """Return the body's forms: of a media type for batches, a list of them."""
    assert said.body is not None
    one = _content(said.body)[_JSON]
    several: dict[str, Any] = {"schema": {"type": "array", "items": one["schema"]}}
    if "example" in one:
        several["example"] = [one["example"]]
    return {
        media_type: several if "batch" in media_type else one
        for media_type in said.media_types
    }
