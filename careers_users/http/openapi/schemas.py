"""Our marshmallow schemas in the words of JSON Schema, as OpenAPI 3.1 wants them.

Nothing is listed here: a field says in `openapi` what its class adds to its type, a
schema in `openapi` what holds between its fields, and in `example` what it looks like.
"""

import json
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_instance
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import RAISE, Schema, fields

from careers_users.validation.fields import BodySchema


def example_of(schema: Schema) -> Any:
    """Return the example of a schema, or None.

    Its classes give the values in `example`; nested schemas give their own.
    """
    found: dict[str, Any] = {}
    for name, field in schema.fields.items():
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested) and (example := example_of(inner.schema)):
            found[name] = example if inner is field else [example]
    found |= _facts(type(schema), "example")
    if not schema.fields:  # The example of a body without fields is the body.
        return {}
    return {name: found[name] for name in schema.fields if name in found} or None


def first_line(thing: Any) -> str:
    """Return the first line of a docstring: what it says in a sentence."""
    lines = (thing.__doc__ or "").strip().splitlines()
    return lines[0] if lines else ""


def _facts(kind: type, attribute: str = "openapi") -> dict[str, Any]:
    """Return what the classes of a field or schema say of themselves, bases first."""
    facts: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        facts |= vars(base).get(attribute, {})
    return facts


class _Converter(OpenAPIConverter):
    """Adds to apispec's conversion what is particular to our fields and schemas."""

    def field2type_and_format(
        self, field: fields.Field[Any], **_: Any
    ) -> dict[str, Any]:
        """Return a field's type, with what its classes say of themselves.

        The first of apispec's steps, so that the others see the type and can say more.
        """
        result: dict[str, Any] = super().field2type_and_format(field)
        return result | _facts(type(field))

    def field2default(self, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
        """Return the default that a client may rely on; an empty one is none."""
        result: dict[str, Any] = super().field2default(field)
        return result if field.load_default not in (None, "", ()) else {}

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        """Return a schema as JSON Schema.

        Input has the fields named and no others. Output has all of them, and may have
        more in a later version (so clients must not refuse those).
        """
        instance = resolve_schema_instance(schema)
        result: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        if isinstance(instance, BodySchema):
            if instance.unknown == RAISE:
                result["additionalProperties"] = False
            for described in result["properties"].values():
                _tell_default(described)
        else:
            result.pop("additionalProperties", None)
            result["required"] = [
                name
                for name in result["properties"]
                if not instance.fields[name].metadata.get("optional")
            ]
        return {"description": first_line(instance), **result, **_facts(type(instance))}


def _tell_default(described: dict[str, Any]) -> None:
    """Say the default of a body's field in words.

    To some generators of types a field with a `default` is one that is always there,
    so a client would have to send it.
    """
    if "default" in described:
        default = json.dumps(described.pop("default"))
        sentences = [described.get("description"), f"`{default}` if left out."]
        described["description"] = " ".join(filter(None, sentences))


class SchemaPlugin(MarshmallowPlugin):
    """apispec's plugin for marshmallow, with our conversion."""

    Converter = _Converter

    def query_parameters(self, schema: Schema) -> list[dict[str, Any]]:
        """Return the fields of a query's schema as OpenAPI parameters."""
        assert self.converter is not None
        parameters = self.converter.schema2parameters(schema, location="query")
        for parameter in parameters:
            if parameter["schema"].get("type") == "array":
                parameter |= {"style": "form", "explode": False}  # Like 1,2,3.
        return sorted(
            parameters, key=lambda one: list(schema.fields).index(one["name"])
        )
