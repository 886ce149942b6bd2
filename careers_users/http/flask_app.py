"""The Flask application: its paths, its methods, the headers of its replies."""

from typing import Any, ClassVar
from wsgiref.types import WSGIEnvironment

from flask import Flask, Request, Response, current_app, request
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, MapAdapter, ValidationError

from careers_users.http import context
from careers_users.http.context import Headers
from careers_users.http.errors import http_error
from careers_users.http.json import JsonResponse, OrjsonProvider
from careers_users.validation.limits import BASE_PATH, USERNAME_MAX, USERNAME_PATTERN
from careers_users.validation.usernames import path_segments

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ALWAYS = [("X-Content-Type-Options", "nosniff"), ("Vary", "Authorization")]


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
