"""How a request comes in and a reply goes out: body, query, headers, paths.

The decorators also describe the view. `view.operation` says as data what it takes,
answers and refuses, and who may call it, so that documents can be made from the code.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, wraps
from typing import Any, Literal
from urllib.parse import parse_qsl

from flask import request
from flask_marshmallow.schema import Schema
from werkzeug.exceptions import UnsupportedMediaType

from careers_users.http.errors import (
    ContentEncoded,
    MalformedJson,
    ServiceError,
    ValidationFailed,
)
from careers_users.http.json import strict_json

# More parameters than any call has; parsing them must stay cheap.
QUERY_PARAMETERS_MAX = 50
# Validated queries remembered for each view, and the longest that is, in bytes.
QUERIES_REMEMBERED = 512
QUERY_REMEMBERED_MAX = 200

View = Callable[..., Any]
# "service" is a credential of another service's, not a user's token.
Auth = Literal["none", "optional", "required", "service"]


@dataclass(frozen=True)
class Operation:
    """A view's description: its input, replies and refusals, and who may call it."""

    auth: Auth = "none"
    body: Schema | None = None
    is_body_required: bool = True
    query: Schema | None = None
    media_types: tuple[str, ...] = ("application/json",)
    reply: Schema | None = None
    status: int = 200
    refusals: tuple[type[ServiceError], ...] = ()
    # Further statuses that come with the same form of reply.
    also: tuple[int, ...] = ()
    # The reply to the body's example; None if the schema of the reply has its own.
    example: dict[str, Any] | None = None


def operation_of(view: View) -> Operation:
    """Return what the decorators said about a view."""
    operation: Operation = getattr(view, "operation", Operation())
    return operation


def describe(view: View, **parts: Any) -> None:
    """Add to a view's description; for decorators, on the function they return."""
    view.operation = replace(operation_of(view), **parts)  # type: ignore[attr-defined]


def body(schema: Schema) -> Callable[[View], View]:
    """Give the view the request's JSON body, validated, as its keyword `payload`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def with_body(*args: Any, **kwargs: Any) -> Any:
            return view(*args, payload=schema.load(_json_object()), **kwargs)

        describe(with_body, body=schema)
        return with_body

    return decorate


def optional_body(schema: Schema) -> Callable[[View], View]:
    """As `body`, for calls that may come without one, which is as good as `{}`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def with_body(*args: Any, **kwargs: Any) -> Any:
            sent = _json_object() if request.get_data(cache=True) else {}
            return view(*args, payload=schema.load(sent), **kwargs)

        describe(with_body, body=schema, is_body_required=False)
        return with_body

    return decorate


def query(schema: Schema) -> Callable[[View], View]:
    """Give the view the parameters after the `?`, validated, as its keyword `query`."""

    def decorate(view: View) -> View:
        # Most requests ask one of few questions, and the answer of a schema depends on
        # nothing else: remembering it saves a list a tenth of its time on SQLite.
        @lru_cache(maxsize=QUERIES_REMEMBERED)
        def load(raw: bytes) -> dict[str, Any]:
            loaded: dict[str, Any] = schema.load(_query_parameters(raw))
            return loaded

        @wraps(view)
        def with_query(*args: Any, **kwargs: Any) -> Any:
            raw = request.query_string
            is_short = len(raw) <= QUERY_REMEMBERED_MAX
            loaded = load(raw).copy() if is_short else load.__wrapped__(raw)
            return view(*args, query=loaded, **kwargs)

        describe(with_query, query=schema)
        return with_query

    return decorate


def reply(
    schema: Schema,
    status: int = 200,
    *,
    also: tuple[int, ...] = (),
    example: dict[str, Any] | None = None,
) -> Callable[[View], View]:
    """Answer with the mapping the view returns, and `status`.

    A view that has one of the statuses `also` returns it beside the mapping. `example`
    is shown where the schema's own example would not be this call's.

    `schema` documents the reply. It is not run: rows come from the database in the
    reply's shape, which costs a fraction, and the tests hold every reply to its schema.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def with_status(*args: Any, **kwargs: Any) -> Any:
            result = view(*args, **kwargs)
            return result if isinstance(result, tuple) else (result, status)

        said = {"reply": schema, "status": status, "also": also, "example": example}
        describe(with_status, **said)
        return with_status

    return decorate


def answers(schema: Schema, *statuses: int) -> Callable[[View], View]:
    """Say what a view that makes its responses itself answers, the usual status first.

    Changes nothing; `reply` is for the views that return a mapping.
    """

    def decorate(view: View) -> View:
        describe(view, reply=schema, status=statuses[0], also=statuses[1:])
        return view

    return decorate


def refuses(*refusals: type[ServiceError]) -> Callable[[View], View]:
    """Say which named refusals a view may answer with; changes nothing else."""

    def decorate(view: View) -> View:
        describe(view, refusals=refusals)
        return view

    return decorate


def json_body(*media_types: str) -> Any:
    """Return the body if it is strict JSON of one of these media types, not encoded.

    Decompressing would be work before the limits: a kilobyte can be a gigabyte.
    """
    if request.mimetype not in media_types:
        raise UnsupportedMediaType
    if request.headers.get("Content-Encoding"):
        raise ContentEncoded
    return strict_json(request.get_data(cache=False))


def _json_object() -> dict[str, Any]:
    """Return the body if it is one strict JSON object (RFC 8259, I-JSON RFC 7493)."""
    value = json_body("application/json")
    if not isinstance(value, dict):
        raise MalformedJson("The body must be a JSON object.")
    return value


def _query_parameters(raw: bytes) -> dict[str, str]:
    """Return the query's parameters; each at most once, all of them proper UTF-8.

    Whether UTF-8 comes percent-encoded or as it is (what curl sends) is the same.
    """
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_PARAMETERS_MAX,
        )
    except ValueError:
        reason = "The query is not proper UTF-8, or has too many parameters."
        raise ValidationFailed(reason) from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValidationFailed(
            {name: ["Given twice."] for name in parameters if names.count(name) > 1}
        )
    return parameters
