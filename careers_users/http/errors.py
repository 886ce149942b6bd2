"""Every failure becomes the documented JSON here, and only here.

`{"error": a sentence, "code": a stable word, "details": field -> messages, or a
sentence}`. Refusals are exceptions with their status and code on the class; those of a
feature stand at the top of the module that raises them.
"""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from flask import Flask, Response, json
from marshmallow import ValidationError
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from werkzeug.exceptions import HTTPException

from careers_users.database import errors
from careers_users.database.errors import is_trouble
from careers_users.keys import KeyRingError
from careers_users.server import status

log = logging.getLogger(__name__)

Details = Mapping[str, Any] | str
# How long a client should wait when the database is in trouble: longer than a restart
# of a process, shorter than a person's patience.
RETRY_AFTER_SECONDS = 5


class ServiceError(Exception):
    """A refusal with a name. `details` says more than `error` where there is more."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    error: ClassVar[str] = "The request can't be carried out"
    headers: Mapping[str, str] = {}

    def __init__(self, details: Details | None = None) -> None:
        super().__init__(self.error)
        self.details = self.error if details is None else details


class ValidationFailed(ServiceError):
    """A field is missing, unknown, of the wrong type or out of range."""

    status = 400
    code = "validation_failed"
    error = "Validation failed"


class MalformedJson(ServiceError):
    """The body is not one JSON object that everybody would read the same way."""

    status = 400
    code = "malformed_json"
    error = "The request body is not valid JSON"


class ContentEncoded(ServiceError):
    """The body is compressed or encoded otherwise (RFC 9110, section 15.5.16)."""

    status = 415
    code = "unsupported_media_type"
    error = "The request body must not have a Content-Encoding"
    headers: Mapping[str, str] = {"Accept-Encoding": "identity"}


class Unauthorized(ServiceError):
    """The base of the refusals for want of a good token (RFC 6750, section 3)."""

    status = 401
    code = "not_authenticated"
    error = "Authentication is required"
    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class NotAuthenticated(Unauthorized):
    """The call needs a token and there is none."""

    error = "This needs a token in the header Authorization: Bearer"


class TokenInvalid(Unauthorized):
    """Something is wrong with the token; what exactly is not told."""

    code = "token_invalid"
    error = "The token is not valid"


class TokenExpired(Unauthorized):
    """The token was good once."""

    code = "token_expired"
    error = "The token has expired"


class TokenRevoked(Unauthorized):
    """The token's session is over."""

    code = "token_revoked"
    error = "The session of this token is over"


class Forbidden(ServiceError):
    """The viewer is known, and may not do this."""

    status = 403
    code = "forbidden"
    error = "This is not yours to change"


class Unavailable(ServiceError):
    """The service can't answer now, through no fault of the client."""

    status = 503
    code = "service_unavailable"
    error = "The service can't answer right now; please try again shortly"
    headers: Mapping[str, str] = {"Retry-After": str(RETRY_AFTER_SECONDS)}


# Codes and sentences for what Flask and Werkzeug refuse by themselves, and the server.
HTTP_ERRORS = {
    400: ("malformed_request", "The request can't be understood"),
    404: ("not_found", "There is nothing at this address"),
    405: ("method_not_allowed", "This address does not take that method"),
    413: ("payload_too_large", "The request body is too large"),
    415: ("unsupported_media_type", "The request body must be application/json"),
    431: ("headers_too_large", "The request headers are too large"),
    500: ("internal_error", "Something went wrong on our side"),
    501: ("not_implemented", "This transfer encoding is not supported"),
    503: ("overloaded", "More is asked than can be answered; please try again shortly"),
}


def error_response(error: ServiceError) -> Response:
    """Return the documented reply for a refusal."""
    response = _write(error.status, error.error, error.code, error.details)
    response.headers.update(error.headers)
    return response


def init_app(app: Flask) -> None:
    """Register the four doors: refusals, validation, HTTP errors, everything else."""
    app.register_error_handler(ServiceError, error_response)
    app.register_error_handler(ValidationError, _validation_failed)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(SQLAlchemyError, _database_error)
    app.register_error_handler(KeyRingError, _no_key)


def _validation_failed(error: ValidationError) -> Response:
    messages: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
    return error_response(ValidationFailed(messages))


def _no_key(error: KeyRingError) -> Response:
    log.error("%s", error)
    return error_response(Unavailable())


def http_error(error: HTTPException) -> Response:
    """Return the documented reply for what Flask or Werkzeug refuse."""
    # Werkzeug's own reply carries what the status requires, like Allow for a 405.
    original = error.get_response()
    status = original.status_code
    code, sentence = HTTP_ERRORS.get(
        status, (error.name.lower().replace(" ", "_"), error.name)
    )
    response = _write(status, sentence, code, sentence)
    for name, value in original.headers.items():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _database_error(error: SQLAlchemyError) -> Response:
    if is_trouble(error):
        what = errors.sentence(error)
        log.error("The database is in trouble: %s", what)
        if errors.kind(error) is errors.FULL:
            # Reads go on, so this is all that /health/ready would notice of it.
            status.warn("disk", f"{errors.FULL.advice}.")
        return error_response(Unavailable())
    if isinstance(error, IntegrityError):
        # Services translate the conflicts they expect; this one was decided by a race
        # with a change that no feature makes today, such as a user being deleted.
        log.warning("A conflict without a name: %s", error)
        return _write(409, "The request conflicts with another", "conflict", "")
    log.error("A statement failed", exc_info=error)
    code, sentence = HTTP_ERRORS[500]
    return _write(500, sentence, code, sentence)


def _write(status: int, error: str, code: str, details: Details) -> Response:
    body = json.dumps({"error": error, "code": code, "details": details or error})
    return Response(body, status, mimetype="application/json")
