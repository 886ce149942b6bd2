"""How a request comes in and a reply goes out: body, query, headers, paths.

The decorators also describe the view. `view.operation` says as data what it takes,
answers and refuses, and who may call it, so that documents can be made from the code.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, wraps
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl
from wsgiref.types import WSGIEnvironment

import orjson
from flask import (
    Flask,
    Request,
    Response,
    after_this_request,
    current_app,
    has_request_context,
    request,
)
from flask.json.provider import JSONProvider
from flask_marshmallow.schema import Schema
from werkzeug.exceptions import MethodNotAllowed, NotFound, UnsupportedMediaType
from werkzeug.routing import BaseConverter, MapAdapter, ValidationError

from careers_users.http import context
from careers_users.http.context import Headers
from careers_users.http.errors import (
    MalformedJson,
    ServiceError,
    ValidationFailed,
    http_error,
)
from careers_users.validation.limits import BASE_PATH, USERNAME_MAX, USERNAME_PATTERN
from careers_users.validation.usernames import path_segments

log = logging.getLogger(__name__)

# More parameters than any call has; parsing them must stay cheap.
QUERY_PARAMETERS_MAX = 50
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Validated queries remembered for each view, and the longest that is, in bytes.
QUERIES_REMEMBERED = 512
QUERY_REMEMBERED_MAX = 200
_ALWAYS = [("X-Content-Type-Options", "nosniff"), ("Vary", "Authorization")]

View = Callable[..., Any]
# "service" is a credential of another service's, not a user's token.
Auth = Literal["none", "optional", "required", "service"]


@dataclass(frozen=True)
class Operation:
    """What a view takes, answers and refuses, and who may call it."""

    auth: Auth = "none"
    body: Schema | None = None
    query: Schema | None = None
    media_types: tuple[str, ...] = ("application/json",)
    reply: Schema | None = None
    status: int = 200
    refusals: tuple[type[ServiceError], ...] = ()
    # Further statuses that come with the same form of reply.
    also: tuple[int, ...] = ()


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
    schema: Schema, status: int = 200, *, also: tuple[int, ...] = ()
) -> Callable[[View], View]:
    """Answer with the mapping the view returns, and `status`.

    A view that has one of the statuses `also` returns it beside the mapping.

    `schema` documents the reply. It is not run: rows come from the database in the
    reply's shape, which costs a fraction, and the tests hold every reply to its schema.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def with_status(*args: Any, **kwargs: Any) -> Any:
            result = view(*args, **kwargs)
            return result if isinstance(result, tuple) else (result, status)

        describe(with_status, reply=schema, status=status, also=also)
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


def _json_object() -> dict[str, Any]:
    """Return the body if it is one strict JSON object (RFC 8259, I-JSON RFC 7493)."""
    if not request.is_json:
        raise UnsupportedMediaType
    value = strict_json(request.get_data(cache=False))
    if not isinstance(value, dict):
        raise MalformedJson("The body must be a JSON object.")
    return value


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


def _query_parameters(raw: bytes) -> dict[str, str]:
    """Return the query's parameters; each at most once, all of them proper UTF-8."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_PARAMETERS_MAX,
        )
    except ValueError:
        reason = "The query is not proper, percent-encoded UTF-8, or too long."
        raise ValidationFailed(reason) from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValidationFailed(
            {name: ["Given twice."] for name in parameters if names.count(name) > 1}
        )
    return parameters


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


class UsernameConverter(BaseConverter):
    """A user's name in a path, or `me`; never a word that the paths use themselves.

    So `GET login/` is a wrong method for the login, not the profile of a user "login".
    """

    openapi: ClassVar[dict[str, Any]] = {
        "type": "string",
        "minLength": len("me"),
        "maxLength": USERNAME_MAX,
        "pattern": USERNAME_PATTERN,
        "description": "A username, in any case. `me` is yourself, and needs a token.",
        "example": "alice",
    }

    def to_python(self, value: str) -> str:
        """Return the name as it stands in the path."""
        name = value.lower()
        if name in path_segments(current_app) and name != "me":
            raise ValidationError
        return value


class Service(Flask):
    """A Flask application that answers JSON, and with or without the slash alike."""

    json_provider_class = OrjsonProvider
    response_class = JsonResponse

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Match paths without their slash as those with it, whatever the method."""
        adapter = super().create_url_adapter(request)
        if adapter is not None and adapter.path_info.startswith(BASE_PATH):
            adapter.path_info = adapter.path_info.rstrip("/") + "/"
        return adapter

    def ensure_sync(self, func: View) -> View:
        """Return the function: Flask would ask each time whether it is a coroutine."""
        return func

    def make_default_options_response(self) -> Response:
        """Answer OPTIONS with the methods there are."""
        response: Response = self.response_class()
        response.allow.update(_allowed_methods())
        return response


def _allowed_methods() -> list[str]:
    """Return the methods that the current request's path takes.

    Werkzeug would offer those of every rule of this shape, also of the rules for
    usernames where the name is a word of the paths; so we ask for each method.
    """
    adapter = current_app.create_url_adapter(request)
    return [method for method in METHODS if adapter and adapter.test(method=method)]


def _wrong_method(_error: MethodNotAllowed) -> Response:
    methods = _allowed_methods()
    return http_error(MethodNotAllowed(methods) if methods else NotFound())


def init_app(app: Flask) -> None:
    """Set how `app` reads paths and writes replies; before the routes are added."""
    # A redirect would be an HTML page, to whatever host the client named.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["username"] = UsernameConverter
    app.register_error_handler(MethodNotAllowed, _wrong_method)
    context.observe(app, replying=_add_headers)


def afterwards(work: Callable[[], None]) -> None:
    """Do `work` once the reply has been sent; at once where there is no request.

    What goes wrong then is logged: nobody is left to be told.
    """
    if not has_request_context():
        work()
        return
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def do() -> None:
        try:
            with app.app_context():
                work()
        except Exception:
            log.exception("What should follow a reply failed")

    @after_this_request
    def arrange(response: Response) -> Response:
        response.call_on_close(do)
        return response


def _add_headers(environ: WSGIEnvironment, status: int, headers: Headers) -> None:
    """Tell browsers and caches what these replies are: data, and often private."""
    names = [name for name, _ in headers]
    headers += _ALWAYS
    if "Content-Security-Policy" not in names:
        headers.append(("Content-Security-Policy", "default-src 'none'"))
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or status >= 400:
        control = "no-store"
    elif "HTTP_AUTHORIZATION" in environ:
        control = "private, no-store"
    elif "Cache-Control" in names:
        return
    else:
        control = "no-cache"
    if "Cache-Control" in names:
        headers[:] = [each for each in headers if each[0] != "Cache-Control"]
    headers.append(("Cache-Control", control))
