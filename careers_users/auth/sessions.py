"""The use cases of sessions: refresh and rotate their tokens, end them.

A session has one row and one generation, the number of its newest refresh token. A
rotation moves the row from one generation to the next, if no other request has (so one
of many at once does), and hands out a token of the next. The one before stays good
until its successor is known to have arrived, and a moment longer. See
docs/decisions/0010-rotation.md.
"""

import re
from datetime import datetime, timedelta

import jwt
from flask import current_app

from careers_users import clock
from careers_users.auth import audit, queries, tokens
from careers_users.auth.device import Device
from careers_users.auth.tokens import LAST_USED_PRECISION, Claims, Tokens
from careers_users.database import Row
from careers_users.database.errors import if_possible
from careers_users.extensions import db
from careers_users.http.errors import (
    Forbidden,
    ServiceError,
    TokenInvalid,
    TokenRevoked,
    ValidationFailed,
)
from careers_users.validation.limits import ACCESS_LIFETIME

_SESSION_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class SessionNotFound(ServiceError):
    """The viewer has no live session of that id."""

    status = 404
    code = "session_not_found"
    error = "You have no such session"


def refresh(token: str, rotate: bool | None, device: Device) -> Tokens:
    """Return new tokens of a refresh token's session.

    `rotate` is what the client asked for; the setting REFRESH_ROTATION says what is
    done (ValidationFailed if it is not what was asked). Raises TokenInvalid for
    everything that may be wrong with the token: one answer for all. If it is one that
    has been replaced, the session is over from then on.
    """
    is_rotating = _is_rotating(rotate)
    claims = read_refresh(token)
    if claims is None:
        raise TokenInvalid
    session, now = _live(claims), clock.utcnow()
    if is_rotating and claims.generation == session["generation"]:
        with db.session.begin():
            is_first = tokens.rotate(claims.session_id, claims.generation, now)
        if is_first:
            return _successor(claims, claims.generation + 1, session)
        # Another request with this token was faster: what it got is ours as well.
        session = _live(claims)
    if claims.generation > session["generation"]:
        raise TokenInvalid
    if not _is_good(claims, session, now):
        _end_reused(claims, device)
        raise TokenInvalid
    _note_use(claims, session, now)
    if is_rotating:
        return _successor(claims, session["generation"], session)
    return Tokens(
        tokens.issue_access(claims.user_id, claims.session_id, claims.token_version)
    )


def _is_rotating(wanted: bool | None) -> bool:
    rule = current_app.config["REFRESH_ROTATION"]
    if rule == "off" and wanted:
        raise ValidationFailed({"rotate": ["This service does not rotate tokens."]})
    if rule == "required" and wanted is False:
        raise ValidationFailed({"rotate": ["This service rotates tokens always."]})
    return rule == "required" or wanted is True


def _live(claims: Claims) -> Row:
    session = queries.live_session(claims)
    if session is None:
        raise TokenInvalid
    return session


def _is_good(claims: Claims, session: Row, now: datetime) -> bool:
    """Return whether a token's generation is the newest, or the last one in its grace.

    An instance whose clock is behind finds a confirmation in its future: that is well
    within the window.
    """
    if claims.generation == session["generation"]:
        return True
    if claims.generation < session["generation"] - 1:
        return False
    window = timedelta(seconds=current_app.config["REFRESH_REUSE_WINDOW"])
    confirmed_at = session["confirmed_at"]
    return confirmed_at is None or now < confirmed_at + window


def _end_reused(claims: Claims, device: Device) -> None:
    """End a session one of whose replaced tokens has been used again.

    Two parties have its tokens, and there is no telling which of them is the owner.
    Committed here, before the request is refused, or the refusal would undo it.
    """
    user_id, session_id = claims.user_id, claims.session_id
    with audit.transaction() as trail:
        if tokens.end_session(session_id, "refresh_reused"):
            trail.record("refresh_reused", user_id, device, session=session_id)


def _note_use(claims: Claims, session: Row, now: datetime) -> None:
    """Write that the session is in use, if that is not known; mostly it is."""
    is_news = (
        claims.generation == session["generation"] > 1
        and session["confirmed_at"] is None
    )
    if is_news or now - session["last_used_at"] >= LAST_USED_PRECISION:
        with db.session.begin():
            if is_news:
                tokens.confirm(claims.session_id, claims.generation, now)
            tokens.touch(claims.session_id, now)


def _successor(claims: Claims, generation: int, session: Row) -> Tokens:
    user_id, sid, version = claims.user_id, claims.session_id, claims.token_version
    return Tokens(
        access=tokens.issue_access(user_id, sid, version, generation),
        refresh=tokens.issue_refresh(
            user_id, sid, version, generation, session["expires_at"]
        ),
    )


def end(viewer: Claims, session_id: str, device: Device) -> None:
    """End one of the viewer's live sessions, which may be the one that asks.

    Raises SessionNotFound for any other id.
    """
    if not _SESSION_ID.fullmatch(session_id):
        raise SessionNotFound
    user_id = viewer.user_id
    with audit.transaction() as trail:
        if not tokens.end_session(session_id, "ended", user_id=user_id):
            raise SessionNotFound
        trail.record("session_ended", user_id, device, session=session_id)


def end_all(viewer: Claims, device: Device, *, keep_current: bool) -> int:
    """End all of the viewer's live sessions, or all others; return how many.

    Raises TokenRevoked if another request has just deleted the account.
    """
    with audit.transaction() as trail:
        if not audit.hold_user(viewer.user_id):
            raise TokenRevoked
        but = viewer.session_id if keep_current else None
        count = tokens.end_sessions(viewer.user_id, "logout_all", but=but)
        if not keep_current:
            # The viewer's session may have expired less than an hour ago, so that it
            # is not among those; its last access tokens have not. Twice the time: an
            # instance whose clock is ahead may have issued one, or prune this early.
            until = clock.utcnow() + 2 * ACCESS_LIFETIME
            tokens.revoke(viewer.session_id, expires_at=until)
        trail.record("logged_out_everywhere", viewer.user_id, device, count=count)
    return count


class ForeignSession(Forbidden):
    """The refresh token to be revoked is another user's."""

    error = "This refresh token is not yours"


def confirm_rotation(claims: Claims) -> None:
    """Write that a rotation's tokens have arrived: its predecessor is not needed now.

    A database that can't take it is no reason to refuse the call: the next one will
    tell it again.
    """
    with (
        if_possible("A rotation could not be confirmed"),
        db.session.begin(),
    ):
        tokens.confirm(claims.session_id, claims.generation, clock.utcnow())


def read_refresh(token: str, *, allow_expired: bool = False) -> Claims | None:
    """Return what a refresh token says; None if it is none of ours, or too old."""
    try:
        claims = tokens.read(token, allow_expired=allow_expired)
    except jwt.InvalidTokenError:
        return None
    return claims if claims.type == "refresh" else None


def log_out(viewer: Claims, refresh_token: str, device: Device) -> None:
    """End the session of a refresh token and the viewer's own, at once.

    A session that is over already is no error (RFC 7009, section 2.2). Raises
    ValidationFailed for what is not a refresh token, ForeignSession for another
    user's, or TokenRevoked if the account has gone; then nothing is revoked.
    """
    claims = read_refresh(refresh_token, allow_expired=True)
    if claims is None:
        raise ValidationFailed({"refresh": ["Not a refresh token."]})
    if claims.user_id != viewer.user_id:
        raise ForeignSession
    with audit.transaction() as trail:
        if not audit.hold_user(viewer.user_id):
            raise TokenRevoked
        # In one order, so that two log-outs of the same sessions can't block each
        # other.
        for session_id in sorted({claims.session_id, viewer.session_id}):
            tokens.end_session(session_id, "logout")
        tokens.revoke(viewer.token_id, expires_at=viewer.expires_at)
        trail.record("logged_out", viewer.user_id, device)
