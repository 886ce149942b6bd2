"""The API's description in OpenAPI 3.1, made from routes and what their views declare.

Whatever a view says with the decorators of `http` is in the document; nothing has to be
written here when a call is added.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from apispec import APISpec
from flask import Flask
from werkzeug.routing import Rule

from careers_users.http.decorators import View, operation_of
from careers_users.http.openapi.operations import BEARER, SERVICE, Call, tag_of
from careers_users.http.openapi.refusals import add_error_schemas, refusals_anywhere
from careers_users.http.openapi.schemas import SchemaPlugin, first_line
from careers_users.validation.limits import BASE_PATH

# The API's version, not the program's: it counts up when clients have to know.
API_VERSION = "1.0.0"
_INTRODUCTION = """\
Registration, sign-in, profiles, search and follows.

To try it here: open `POST /careers/users/register/`, press **Try it out**, **Execute**,
and **Use this session** beside the reply. The calls with a lock are yours then, for an
hour. With a token from elsewhere, press **Authorize** and paste it. A path is the same
without its last slash.
"""
_INFO = {
    "description": _INTRODUCTION,
    "license": {"name": "MIT", "identifier": "MIT"},
    "contact": {"name": "The operator of this service"},
}
# The first is where the page's dialog puts the cursor, and what most callers have.
_SECURITY_SCHEMES = {
    BEARER: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access` of a registration, login or refresh, without the "
        "word Bearer.",
    },
    SERVICE: {
        "type": "http",
        "scheme": "bearer",
        "description": "The credential of a sister service, not a user's token; for "
        "`POST /careers/users/events/` alone.",
    },
}


def document(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of `app`'s calls, as its settings make them."""
    plugin = SchemaPlugin(schema_name_resolver=_name_of)
    spec = APISpec(
        title="Careers users API",
        version=API_VERSION,
        openapi_version="3.1.0",
        plugins=[plugin],
        info=_INFO,
        # The host that serves the document, whatever it is called outside.
        servers=[{"url": "/", "description": "This service"}],
    )
    for name, scheme in _SECURITY_SCHEMES.items():
        spec.components.security_scheme(name, scheme)
    views = list(_described(app))
    anywhere = refusals_anywhere(
        refusal for _, view in views for refusal in operation_of(view).refusals
    )
    calls = [Call(app, rule, view, anywhere) for rule, view in views]
    add_error_schemas(spec, {one.code for call in calls for one in call.refusals()})
    for call in calls:
        operation = call.operation(spec, plugin)
        operations = {method.lower(): operation for method in call.methods}
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
    """Yield the routes whose views describe themselves, those of the API first."""
    rules = [
        (rule, app.view_functions[rule.endpoint])
        for rule in app.url_map.iter_rules()
        if hasattr(app.view_functions[rule.endpoint], "operation")
    ]
    yield from sorted(rules, key=lambda pair: not pair[0].rule.startswith(BASE_PATH))


def _tags(app: Flask) -> list[dict[str, str]]:
    """Return a tag for each blueprint with calls, described by its module."""
    names = dict.fromkeys(tag_of(rule) for rule, _ in _described(app))
    tags = []
    for name in names:
        blueprint = app.blueprints.get(name)
        module = blueprint.import_name if blueprint else ""
        package = module.rpartition(".")[0]
        source = sys.modules.get(package if module.endswith(".routes") else module)
        tags.append({"name": name, "description": first_line(source)})
    return tags
