"""How events come in: who may send them, and the three forms they travel in."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import unquote

from flask import current_app, request
from flask_marshmallow.schema import Schema

from careers_users.http.decorators import View, describe, json_body
from careers_users.http.errors import (
    MalformedJson,
    NotAuthenticated,
    ServiceError,
    TokenInvalid,
    Unavailable,
    ValidationFailed,
)
from careers_users.http.service_tokens import is_sister_service
from careers_users.observability import security_log
from careers_users.validation.limits import EVENTS_MAX

# CloudEvents 1.0, HTTP protocol binding, section 3.1 (binary: attributes in headers,
# the default of the SDKs), 3.2 (structured) and 3.3 (batched).
BINARY = "application/json"
_HEADER = "ce-"
_VERSION_HEADER = f"{_HEADER}specversion"
SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


class NotCloudEvents(ServiceError):
    """The body does not say that it is an event, or a batch of them."""

    status = 415
    code = "unsupported_media_type"
    error = (
        f"The request body must be {SINGLE}, {BATCH}, or {BINARY} with the event's "
        f"attributes in headers ({_HEADER}id and so on)"
    )


class TooManyEvents(ValidationFailed):
    """The batch is longer than one may be."""

    def __init__(self) -> None:
        super().__init__(f"A batch has at most {EVENTS_MAX} events.")


def sister_service(view: View) -> View:
    """Let only senders with a credential of CAREERS_USERS_EVENTS_TOKENS through.

    Where none is set no sender can be recognised: 503, so that a sender keeps its
    events until there is one.
    """

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not current_app.config["EVENTS_TOKENS"]:
            raise Unavailable("CAREERS_USERS_EVENTS_TOKENS is not set.")
        if "Authorization" not in request.headers:
            raise NotAuthenticated
        if not is_sister_service():
            security_log.record("events_token_refused")
            raise TokenInvalid
        return view(*args, **kwargs)

    describe(guarded, auth="service")
    return guarded


def events(schema: Schema) -> Callable[[View], View]:
    """Give the view the events of the body, as JSON, as its keyword `payload`.

    A single event is a batch of one. `schema` documents each; it is the view's to load,
    since one bad event does not spoil the others.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def with_events(*args: Any, **kwargs: Any) -> Any:
            return view(*args, payload=_items(), **kwargs)

        describe(with_events, body=schema, media_types=(SINGLE, BATCH))
        return with_events

    return decorate


def _items() -> list[Any]:
    is_binary = request.mimetype == BINARY and _VERSION_HEADER in request.headers
    if not is_binary and request.mimetype not in (SINGLE, BATCH):
        raise NotCloudEvents
    if is_binary:
        return [_attributes() | {"data": json_body(BINARY)}]
    value = json_body(SINGLE, BATCH)
    if request.mimetype == SINGLE:
        if not isinstance(value, dict):
            raise MalformedJson("The body must be a JSON object.")
        return [value]
    if not isinstance(value, list):
        raise MalformedJson("A batch must be a JSON array.")
    if len(value) > EVENTS_MAX:
        raise TooManyEvents
    return value


def _attributes() -> dict[str, str]:
    """Return an event's attributes from the headers (section 3.1.3)."""
    return {
        name.lower().removeprefix(_HEADER): unquote(value)
        for name, value in request.headers
        if name.lower().startswith(_HEADER)
    }
