"""Requests as they may be wrong, for the tests of what is let through."""

from collections.abc import Iterator
from typing import Any

from werkzeug.routing import Rule

from careers_users.http.decorators import Operation, operation_of
from careers_users.validation.limits import BASE_PATH
from tests.api import PASSWORD, Api

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "COPY"}


BODY_MAX = 64 * 1024


LOGIN = {"username": "alice", "password": PASSWORD}


# Otherwise each reply has one of its own.
SAME_ID = {"X-Request-ID": "same"}


def send(api: Api, raw: bytes | None, path: str = "login/", **options: Any) -> Any:
    """Return the reply to a body of these bytes."""
    options = {"content_type": "application/json", **options}
    return api.call(options.pop("method", "POST"), path, data=raw, **options)


def routes(api: Api) -> Iterator[tuple[str, str, Operation]]:
    """Method, path and description of each route of the API."""
    for rule in api.app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            if rule.rule.startswith(BASE_PATH):
                view = api.app.view_functions[rule.endpoint]
                yield method, canonical(rule), operation_of(view)


def canonical(rule: Rule) -> str:
    """Return the path of a route, with its slash, and alice wherever a name stands."""
    path = rule.rule.replace("<username:username>", "alice")
    return path.replace("<session_id>", "0" * 32).rstrip("/") + "/"
