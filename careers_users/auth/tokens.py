"""Sessions and their tokens: issued at login, revoked at logout, pruned in the end."""

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask_jwt_extended import create_access_token, create_refresh_token, decode_token
from sqlalchemy import CursorResult, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from careers_users import clock
from careers_users.extensions import db
from careers_users.models import RefreshToken, RevokedToken
from careers_users.settings import ACCESS_LIFETIME, REFRESH_LIFETIME

# Pruning deletes in bites, so that it never holds locks for long.
PRUNE_BATCH = 1000


@dataclass(frozen=True)
class Device:
    """From where somebody signs in, as far as the request tells."""

    user_agent: str
    address: str


@dataclass(frozen=True)
class Claims:
    """What a valid token says: whose it is, of which session, until when."""

    user_id: int
    session_id: str
    token_id: str
    token_version: int
    type: str
    generation: int
    expires_at: datetime


@dataclass(frozen=True)
class Tokens:
    """What a login hands out."""

    access: str
    refresh: str


def read(token: str, *, allow_expired: bool = False) -> Claims:
    """Return what a token of either type says.

    Raises jwt.InvalidTokenError for one that is not ours, not whole or (unless
    `allow_expired`) too old. Whether its session is over is not asked here.
    """
    return claims_of(decode_token(token, allow_expired=allow_expired))


def claims_of(payload: dict[str, Any]) -> Claims:
    """Return the claims in a payload that has been verified."""
    return Claims(
        user_id=int(payload["sub"]),
        session_id=payload["sid"],
        token_id=payload["jti"],
        token_version=payload["ver"],
        type=payload["type"],
        generation=payload.get("gen", 0),
        expires_at=datetime.fromtimestamp(payload["exp"], clock.utcnow().tzinfo),
    )


def open_session(user_id: int, token_version: int, device: Device) -> Tokens:
    """Add the row of a new session; return its tokens. The caller commits."""
    now = clock.utcnow()
    session_id = uuid.uuid4().hex
    db.session.execute(
        insert(RefreshToken).values(
            id=session_id,
            user_id=user_id,
            generation=1,
            created_at=now,
            last_used_at=now,
            expires_at=now + REFRESH_LIFETIME,
            user_agent=device.user_agent,
            address=device.address,
        )
    )
    return Tokens(
        access=issue_access(user_id, session_id, token_version),
        refresh=_issue_refresh(user_id, session_id, token_version),
    )


def issue_access(user_id: int, session_id: str, token_version: int) -> str:
    """Return a new access token of a session."""
    claims = _claims(session_id, token_version, ACCESS_LIFETIME)
    token: str = create_access_token(str(user_id), additional_claims=claims)
    return token


def _issue_refresh(user_id: int, session_id: str, token_version: int) -> str:
    claims = _claims(session_id, token_version, REFRESH_LIFETIME) | {"gen": 1}
    token: str = create_refresh_token(str(user_id), additional_claims=claims)
    return token


def _claims(session_id: str, version: int, lifetime: timedelta) -> dict[str, Any]:
    now = int(clock.utcnow().timestamp())
    return {
        "sid": session_id,
        "ver": version,
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
    }


def touch(session_id: str, now: datetime) -> None:
    """Write when a session was last used. The caller commits."""
    db.session.execute(
        update(RefreshToken)
        .where(RefreshToken.id == session_id)
        .values(last_used_at=now)
    )


def end_session(session_id: str, reason: str) -> None:
    """Revoke a session with all its tokens, if it is not over yet. The caller commits.

    The id stays among the revoked ones until the session's last access token, issued at
    its very end, would have expired.
    """
    now = clock.utcnow()
    db.session.execute(
        update(RefreshToken)
        .where(RefreshToken.id == session_id)
        .where(RefreshToken.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=reason)
    )
    revoke(session_id, now + REFRESH_LIFETIME + ACCESS_LIFETIME)


def revoke(id_: str, expires_at: datetime) -> None:
    """Put the id of a session or a token among the revoked. The caller commits."""
    is_sqlite = db.engine.dialect.name == "sqlite"
    new = (sqlite if is_sqlite else postgresql).insert(RevokedToken)
    db.session.execute(
        new.values(
            id=id_, revoked_at=clock.utcnow(), expires_at=expires_at
        ).on_conflict_do_nothing()
    )


# ------------------------------------------------------------------------------ pruning

_PRUNE_REVOKED = delete(RevokedToken).where(
    RevokedToken.id.in_(
        select(RevokedToken.id)
        .where(RevokedToken.expires_at < bindparam("now"))
        .limit(PRUNE_BATCH)
        .with_for_update(skip_locked=True)
    )
)
_PRUNE_SESSIONS = delete(RefreshToken).where(
    RefreshToken.id.in_(
        select(RefreshToken.id)
        .where(RefreshToken.expires_at < bindparam("now"))
        .limit(PRUNE_BATCH)
        .with_for_update(skip_locked=True)
    )
)


def prune_batch() -> int:
    """Delete up to a batch of each kind of expired row; return how many in all.

    The caller commits.
    """
    deleted = 0
    for statement in (_PRUNE_REVOKED, _PRUNE_SESSIONS):
        result = db.session.execute(
            statement,
            {"now": clock.utcnow()},
            execution_options={"synchronize_session": False},
        )
        assert isinstance(result, CursorResult)
        deleted += result.rowcount
    return deleted


def is_time_to_prune() -> bool:
    """Tell, one time in twenty, that a logout should also prune a little."""
    return secrets.randbelow(20) == 0
