"""The viewer behind the Authorization header, and the demands of views on it."""

import re
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from flask import Response, current_app, g, request
from sqlalchemy import Select

from careers_users.auth import queries, sessions, tokens
from careers_users.auth.tokens import Claims
from careers_users.database import Row, replica
from careers_users.http import context
from careers_users.http.decorators import View, describe
from careers_users.http.errors import (
    NotAuthenticated,
    ServiceError,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    error_response,
)
from careers_users.http.service_tokens import is_sister_service
from careers_users.keys import jwt
from careers_users.validation.limits import TOKEN_MAX

# RFC 6750, section 2.1, with three parts as a JWT has them (RFC 7515, section 3.1).
_BEARER = re.compile(r"bearer +([\w-]+\.[\w-]+\.[\w-]+)", re.ASCII | re.IGNORECASE)


Payload = dict[str, Any]
# In the environment of a request: the claims of the token that has been looked up.
_KNOWN = "careers_users.claims"
# The id of the anonymous viewer. No user has it, so that viewer follows no user.
ANONYMOUS = 0


def signed_in(view: View) -> View:
    """Let only viewers with a good token through; others get the documented 401."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        _authenticate()
        return view(*args, **kwargs)

    describe(guarded, auth="required")
    return guarded


def signed_in_with(statement: Select[*tuple[Any, ...]]) -> Callable[[View], View]:
    """As `signed_in`, for a view that shows the viewer: `viewer()` has more columns.

    `statement` is `auth.queries.VIEWER` with these columns: the check of the token
    brings along what the view would otherwise go to the database for once more.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            _authenticate(statement)
            return view(*args, **kwargs)

        describe(guarded, auth="required")
        return guarded

    return decorate


def anyone(view: View) -> View:
    """Let everybody through, with a good token or none; a bad one is a 401.

    Where the setting PUBLIC_READS is off, a token is needed. The credential of a sister
    service is as good, and its viewer is anonymous.
    """

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        has_token = "Authorization" in request.headers
        needs_token = has_token or not current_app.config["PUBLIC_READS"]
        if needs_token and not is_sister_service():
            _authenticate()
        else:
            _tell_library({}, {}, None)
        return view(*args, **kwargs)

    describe(guarded, auth="optional")
    return guarded


def may_lag(view: View) -> View:
    """Let the reads of a view come from the replica, if there is one.

    That may be behind by the seconds of the setting DB_READ_MAX_LAG. Not for viewers
    whose own last change it may not have; and not for a batch after a cursor, which
    may have come from the primary: the edges next to it could be missing.

    The innermost decorator, and only of views that do nothing but read: what fails on
    the replica is done again.
    """

    @wraps(view)
    def lagging(*args: Any, **kwargs: Any) -> Any:
        has_cursor = kwargs.get("query", {}).get("cursor")
        if g.get("is_settling") or has_cursor or (copy := replica.current()) is None:
            return view(*args, **kwargs)
        return copy.read(partial(view, *args, **kwargs))

    return lagging


def viewer() -> Row:
    """Return id, username and flag of the viewer; NotAuthenticated if there is none."""
    row = viewer_or_none()
    if row is None:
        raise NotAuthenticated
    return row


def viewer_or_none() -> Row | None:
    """Return id, username and flag of the viewer, if there is one."""
    row: Row | None = g.get("viewer")
    return row


def viewer_id() -> int:
    """Return the viewer's id, or ANONYMOUS."""
    row = viewer_or_none()
    return ANONYMOUS if row is None else row["id"]


def name_in_path(username: str) -> str:
    """Return the name that a path means: `me` is the viewer's, and needs a token."""
    name: str = viewer()["username"] if username.lower() == "me" else username
    return name


def viewer_claims() -> Claims:
    """Return what the viewer's access token says."""
    claims: Claims = g.claims
    return claims


def _authenticate(statement: Select[*tuple[Any, ...]] | None = None) -> None:
    header = request.headers.get("Authorization")
    if header is None:
        raise NotAuthenticated
    match = _BEARER.fullmatch(header)
    if match is None or len(header) > TOKEN_MAX:
        raise TokenInvalid
    # Not by verify_jwt_in_request(): its layers around the same check, and the same
    # SELECT, took 80 microseconds of a request. The faults of a token are raised as
    # there, and answered by the loaders below.
    claims = tokens.read(match[1])
    if claims.type != "access":
        raise TokenInvalid
    row = _recognise(claims, statement)
    if row is None:
        raise TokenRevoked
    _tell_library(claims.header, claims.payload, row)


def _recognise(
    claims: Claims, statement: Select[*tuple[Any, ...]] | None = None
) -> Row | None:
    """Return the row of a token's user, or None; the viewer of the request from now on.

    User and revocation together, in the request's only such statement, whichever
    decorators its view has.
    """
    environ = request.environ
    known: Claims | None = environ.get(_KNOWN)
    is_known = known is not None and known.token_id == claims.token_id
    if is_known and statement is None:
        return viewer()
    row = queries.viewer(claims, statement)
    if row is None:
        return None
    environ[_KNOWN] = claims
    g.claims, g.viewer = claims, row
    context.name_viewer(row["id"])
    # Unless the statement says otherwise, a replica may lack what the viewer has done.
    g.is_settling = row.pop("is_settling", True)
    if row.pop("is_unconfirmed", False):
        sessions.confirm_rotation(claims)
    return row


def _tell_library(header: Payload, payload: Payload, row: Row | None) -> None:
    """Set what `get_jwt()`, `get_jwt_identity()` and `current_user` read.

    The names are Flask-JWT-Extended's own and no public ones, so its version is bounded
    in setup.cfg; `tests/auth/test_library.py` runs on the oldest and the newest.
    """
    # Each attribute of the proxy `g` would take as long as all of these.
    names = g._get_current_object()
    names._jwt_extended_jwt, names._jwt_extended_jwt_header = payload, header
    names._jwt_extended_jwt_user = {"loaded_user": row}
    names._jwt_extended_jwt_location = None if row is None else "headers"


@jwt.user_lookup_loader
def _user_of(header: Payload, payload: Payload) -> Row | None:
    """Return the row of a token's user, for views with `@jwt_required()`."""
    return _recognise(tokens.claims_of(header, payload))


@jwt.token_in_blocklist_loader
def _is_revoked(header: Payload, payload: Payload) -> bool:
    """Return whether a token's session is over, or its user gone."""
    return _user_of(header, payload) is None


def _answers(refusal: type[ServiceError]) -> Callable[..., Response]:
    return lambda *_: error_response(refusal())


jwt.unauthorized_loader(_answers(NotAuthenticated))
jwt.invalid_token_loader(_answers(TokenInvalid))
jwt.expired_token_loader(_answers(TokenExpired))
jwt.revoked_token_loader(_answers(TokenRevoked))
jwt.needs_fresh_token_loader(_answers(TokenInvalid))
jwt.token_verification_failed_loader(_answers(TokenInvalid))
jwt.user_lookup_error_loader(_answers(TokenRevoked))
