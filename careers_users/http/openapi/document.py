"""The API's description in OpenAPI 3.1, made from routes and what their views declare.

Whatever a view says with the decorators of `http` is in the document; nothing has to be
written here when a call is added.
"""

import json
import re
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from flask import Flask
from marshmallow import Schema
from werkzeug.routing import Rule

from careers_users.http.decorators import Operation, View, operation_of
from careers_users.http.errors import (
    HTTP_ERRORS,
    MalformedJson,
    NotAuthenticated,
    ServiceError,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    ValidationFailed,
)
from careers_users.http.openapi.refusals import (
    ERROR,
    Refusal,
    error_response,
    refusals_anywhere,
)
from careers_users.http.openapi.schemas import SchemaPlugin, example_of, first_line
from careers_users.validation.limits import BASE_PATH

# Of the API, not of the program: it counts up when clients have to know.
API_VERSION = "1.0.0"
_BEARER = "bearer"
_JSON = "application/json"
_TEXT = {"type": "string"}
_TOKEN: dict[str, list[str]] = {_BEARER: []}
_SERVICE = "service"
_SECURITY = {
    "none": [],
    "optional": [{}, _TOKEN],
    "required": [_TOKEN],
    # Reads that anybody may do, but for the setting PUBLIC_READS.
    "required or service": [_TOKEN, {_SERVICE: []}],
    "service": [{_SERVICE: []}],
}
_VARIABLE = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")
# Werkzeug's own converters of path segments; ours bring an attribute `openapi`.
_SEGMENTS = {"int": {"type": "integer"}, "uuid": {"type": "string", "format": "uuid"}}
_INTRODUCTION = """\
Registration, sign-in, profiles, search and follows.

To try it here: open `POST /careers/users/register/`, press **Try it out** and
**Execute**, and copy `access` from the reply. Press **Authorize**, paste it, and the
calls with a lock are yours for an hour. A path is the same without its last slash.
"""


def document(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of `app`'s calls, as its settings make them."""
    plugin = SchemaPlugin(schema_name_resolver=_name_of)
    spec = APISpec(
        title="Careers users API",
        version=API_VERSION,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": _INTRODUCTION},
    )
    spec.components.schema("Error", ERROR)
    spec.components.security_scheme(
        _BEARER, {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )
    spec.components.security_scheme(
        _SERVICE,
        {
            "type": "http",
            "scheme": "bearer",
            "description": "The credential of a sister service, not a user's token.",
        },
    )
    anywhere = refusals_anywhere(
        refusal
        for _, view in _described(app)
        for refusal in operation_of(view).refusals
    )
    for rule, view in _described(app):
        call = _Call(app, rule, view, anywhere)
        methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        operations = {
            method.lower(): call.operation(spec, plugin) for method in methods
        }
        spec.path(path=call.path, operations=operations)
    for tag in _tags(app):
        spec.tag(tag)
    return spec.to_dict()


def text(app: Flask) -> str:
    """Return the document as indented JSON, which `docs/openapi.json` holds."""
    return json.dumps(document(app), indent=2, ensure_ascii=False) + "\n"


def _name_of(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.lstrip("_").removesuffix("Schema")


def _described(app: Flask) -> Iterator[tuple[Rule, View]]:
    """The routes whose views describe themselves, those of the API first."""
    rules = [
        (rule, app.view_functions[rule.endpoint])
        for rule in app.url_map.iter_rules()
        if hasattr(app.view_functions[rule.endpoint], "operation")
    ]
    yield from sorted(rules, key=lambda pair: not pair[0].rule.startswith(BASE_PATH))


def _tag(rule: Rule) -> str:
    return rule.endpoint.rpartition(".")[0] or "other"


def _tags(app: Flask) -> list[dict[str, str]]:
    """A tag for each blueprint that has calls, described by its feature or module."""
    names = dict.fromkeys(_tag(rule) for rule, _ in _described(app))
    tags = []
    for name in names:
        blueprint = app.blueprints.get(name)
        module = blueprint.import_name if blueprint else ""
        package = module.rpartition(".")[0]
        source = sys.modules.get(package if module.endswith(".routes") else module)
        tags.append({"name": name, "description": first_line(source)})
    return tags


class _Call:
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

    def operation(self, spec: APISpec, plugin: SchemaPlugin) -> dict[str, Any]:
        """Return the OpenAPI operation."""
        said = self._said
        summary, _, more = (self._view.__doc__ or "").strip().partition("\n")
        result: dict[str, Any] = {
            "operationId": self._operation_id(),
            "tags": [_tag(self._rule)],
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
            result["requestBody"] = {"required": True, "content": _accepted(said)}
        result["responses"] = self._replies() | self._refused(spec)
        result["security"] = _SECURITY[self._auth]
        return result

    def _operation_id(self) -> str:
        """Return the view's name; with the path's last word where it has several."""
        name: str = self._rule.endpoint.rpartition(".")[2]
        if len(list(self._app.url_map.iter_rules(self._rule.endpoint))) > 1:
            name += "_" + self._rule.rule.rstrip("/").rpartition("/")[2]
        return name

    def _path_parameters(self) -> Iterator[dict[str, Any]]:
        for converter, name in _VARIABLE.findall(self._rule.rule):
            kind = self._app.url_map.converters[converter or "default"]
            schema = dict(getattr(kind, "openapi", _SEGMENTS.get(converter, _TEXT)))
            parameter: dict[str, Any] = {"in": "path", "name": name, "required": True}
            for key in ("description", "example"):
                if key in schema:
                    parameter[key] = schema.pop(key)
            yield {**parameter, "schema": schema}

    def _replies(self) -> dict[str, Any]:
        reply = self._said.reply
        body = {} if reply is None else {"content": _content(reply)}
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
        """
        by_status: dict[int, dict[str, Refusal]] = {}
        for refusal in self._refusals():
            by_status.setdefault(refusal.status, {})[refusal.code] = refusal
        for status in self._said.also:
            by_status.pop(status, None)
        return {
            str(status): error_response(spec, list(refusals.values()))
            for status, refusals in sorted(by_status.items())
        }

    def _refusals(self) -> Iterator[Refusal]:
        said, has_name = self._said, bool(_VARIABLE.search(self._rule.rule))
        named: list[type[ServiceError]] = []
        if said.body is not None or said.query is not None:
            named.append(ValidationFailed)
        if said.body is not None:
            named.append(MalformedJson)
        # `me` in the place of a name needs a token also where others do not.
        is_required = self._auth in ("required", "required or service")
        if is_required or (self._auth == "optional" and has_name):
            named.append(NotAuthenticated)
        if self._auth == "service":
            named += [NotAuthenticated, TokenInvalid]
        elif self._auth != "none":
            named += [TokenInvalid, TokenExpired, TokenRevoked]
        for refusal in (*named, *said.refusals, *self._anywhere):
            headers = tuple(refusal.headers)
            yield Refusal(refusal.status, refusal.code, refusal.error, headers)
        yield Refusal(400, *HTTP_ERRORS[400])
        if has_name:  # A word of the paths in its place is another address, or none.
            yield Refusal(404, *HTTP_ERRORS[404])
            yield Refusal(405, *HTTP_ERRORS[405], ("Allow",))
        if said.body is not None:
            yield Refusal(413, *HTTP_ERRORS[413])
            yield Refusal(415, *HTTP_ERRORS[415])


def _content(schema: Schema) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    example = example_of(schema)
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
