"""Sessions and their tokens: issued at login, revoked at logout, pruned in the end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_jwt_extended import create_access_token, create_refresh_token
from sqlalchemy import (
    CursorResult,
    Update,
    case,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from careers_users import clock
from careers_users.extensions import db
from careers_users.keys import jwt
from careers_users.models import RefreshToken, RevokedToken, User
from careers_users.validation.limits import (
    ACCESS_LIFETIME,
    REFRESH_LIFETIME,
    SESSIONS_MAX,
)

# A session's last use is written at most this often: it need not be exact, and a
# refresh should not have to write.
LAST_USED_PRECISION = timedelta(minutes=1)


@dataclass(frozen=True)
class Claims:
    """The claims of a valid token: whose it is, of which session, until when."""

    user_id: int
    session_id: str
    token_id: str
    token_version: int
    type: str
    generation: int
    expires_at: datetime
    header: dict[str, Any]
    payload: dict[str, Any]


@dataclass(frozen=True)
class Tokens:
    """The tokens of a login, or of a refresh: `refresh` only if that rotated."""

    access: str
    refresh: str | None = None


def read(token: str, *, allow_expired: bool = False) -> Claims:
    """Return what a token of either type says.

    Raises jwt.InvalidTokenError for one that is not ours, not whole or (unless
    `allow_expired`) too old. Whether its session is over is not asked here.
    """
    return claims_of(*jwt.decode(token, allow_expired=allow_expired))


def claims_of(header: dict[str, Any], payload: dict[str, Any]) -> Claims:
    """Return the claims of a token that has been verified."""
    return Claims(
        user_id=int(payload["sub"]),
        session_id=payload["sid"],
        token_id=payload["jti"],
        token_version=payload["ver"],
        type=payload["type"],
        generation=payload.get("gen", 0),
        expires_at=datetime.fromtimestamp(payload["exp"], clock.utcnow().tzinfo),
        header=header,
        payload=payload,
    )


def issue_access(
    user_id: int, session_id: str, token_version: int, generation: int | None = None
) -> str:
    """Return a new access token of a session.

    With a `generation`, the first call that is made with it confirms that the refresh
    token of that generation has arrived.
    """
    claims = _claims(session_id, token_version, clock.utcnow() + ACCESS_LIFETIME)
    if generation is not None:
        claims["gen"] = generation
    token: str = create_access_token(str(user_id), additional_claims=claims)
    return token


def issue_refresh(
    user_id: int,
    session_id: str,
    token_version: int,
    generation: int,
    expires_at: datetime,
) -> str:
    """Return a refresh token of a session's generation, good until the session ends."""
    claims = _claims(session_id, token_version, expires_at) | {"gen": generation}
    token: str = create_refresh_token(str(user_id), additional_claims=claims)
    return token


def _claims(session_id: str, version: int, expires_at: datetime) -> dict[str, Any]:
    return {
        "sid": session_id,
        "ver": version,
        "iat": int(clock.utcnow().timestamp()),
        "exp": int(expires_at.timestamp()),
    }


def touch(session_id: str, now: datetime) -> None:
    """Write when a session was last used, to the minute. The caller commits."""
    db.session.execute(
        update(RefreshToken)
        .where(RefreshToken.id == session_id)
        .where(RefreshToken.last_used_at <= now - LAST_USED_PRECISION)
        .values(last_used_at=now)
    )


# ----------------------------------------------------------------------------- rotation


def rotate(session_id: str, generation: int, now: datetime) -> bool:
    """Move a live session on to the next generation, if it still is at this one.

    Return whether it was. The caller commits.
    """
    return _changes_a_row(
        update(RefreshToken)
        .where(RefreshToken.id == session_id)
        .where(RefreshToken.generation == generation)
        .where(RefreshToken.revoked_at.is_(None))
        .values(
            generation=generation + 1,
            confirmed_at=None,
            # Another instance's clock may be ahead: the last use never moves back.
            last_used_at=case(
                (RefreshToken.last_used_at > now, RefreshToken.last_used_at),
                else_=literal(now, RefreshToken.last_used_at.type),
            ),
        )
    )


def confirm(session_id: str, generation: int, now: datetime) -> None:
    """Write, once, when a session's newest generation was used. The caller commits."""
    db.session.execute(
        update(RefreshToken)
        .where(RefreshToken.id == session_id)
        .where(RefreshToken.generation == generation)
        .where(RefreshToken.confirmed_at.is_(None))
        .values(confirmed_at=now)
    )


def _changes_a_row(statement: Update) -> bool:
    result = db.session.execute(
        statement, execution_options={"synchronize_session": False}
    )
    assert isinstance(result, CursorResult)
    return result.rowcount > 0


# --------------------------------------------------------------------------- revocation


def end_session(session_id: str, reason: str, *, user_id: int | None = None) -> bool:
    """Revoke a session with all its tokens; return whether it was still live.

    With a `user_id`, only if it is that user's. The caller commits. The id stays among
    the revoked ones until the session's last access token, issued at its very end,
    would have expired.
    """
    now = clock.utcnow()
    statement = (
        update(RefreshToken)
        .where(RefreshToken.id == session_id)
        .where(RefreshToken.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=reason)
    )
    if user_id is not None:
        statement = statement.where(RefreshToken.user_id == user_id)
        statement = statement.where(RefreshToken.expires_at > now)
    was_live = _changes_a_row(statement)
    if was_live or user_id is None:
        revoke(session_id, expires_at=now + REFRESH_LIFETIME + ACCESS_LIFETIME)
    return was_live


def end_sessions(
    user_id: int, reason: str, *, but: str | None = None, newest: int = 0
) -> int:
    """Revoke a user's live sessions; return how many that were. The caller commits.

    All of them, except the one of the id `but` and as many of the `newest`.
    """
    now = clock.utcnow()
    live = (
        select(RefreshToken.id)
        .where(RefreshToken.user_id == user_id)
        .where(RefreshToken.revoked_at.is_(None))
        .where(RefreshToken.expires_at > now)
        .order_by(RefreshToken.created_at.desc(), RefreshToken.id)
    )
    found = db.session.execute(live).scalars().all()[newest:]
    # Locked in one order, as by a logout, so that no transaction waits for a row while
    # it holds one that another waits for.
    ids = db.session.execute(
        select(RefreshToken.id)
        .where(RefreshToken.id.in_([id_ for id_ in found if id_ != but]))
        .where(RefreshToken.revoked_at.is_(None))
        .order_by(RefreshToken.id)
        .with_for_update()
    )
    ended = ids.scalars().all()
    if ended:
        _changes_a_row(
            update(RefreshToken)
            .where(RefreshToken.id.in_(ended))
            .values(revoked_at=now, revoked_reason=reason)
        )
        revoke(*ended, expires_at=now + REFRESH_LIFETIME + ACCESS_LIFETIME)
    return len(ended)


def make_room(user_id: int) -> int:
    """End a user's oldest sessions if there is no room for one more; return how many.

    The caller adds the new one and commits. Logins of one user that meet here pass one
    after the other.
    """
    db.session.execute(
        select(User.id).where(User.id == user_id).with_for_update(key_share=True)
    )
    return end_sessions(user_id, "limit", newest=SESSIONS_MAX - 1)


def revoke(*ids: str, expires_at: datetime) -> None:
    """Put ids of sessions or tokens among the revoked. The caller commits."""
    is_sqlite = db.engine.dialect.name == "sqlite"
    new = (sqlite if is_sqlite else postgresql).insert(RevokedToken)
    now = clock.utcnow()
    rows = [{"id": id_, "revoked_at": now, "expires_at": expires_at} for id_ in ids]
    db.session.execute(new.values(rows).on_conflict_do_nothing())
