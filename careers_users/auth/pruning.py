"""Rows that have expired, and how they are deleted: in batches that hold few locks."""

import secrets

from sqlalchemy import CursorResult, bindparam, delete, select, tuple_

from careers_users import clock
from careers_users.auth import audit, throttle
from careers_users.extensions import db
from careers_users.models import (
    KnownPlace,
    RefreshToken,
    ReservedUsername,
    RevokedToken,
)

# Pruning deletes in bites, so that it never holds locks for long.
PRUNE_BATCH = 1000
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
_PRUNE_NAMES = delete(ReservedUsername).where(
    ReservedUsername.username_key.in_(
        select(ReservedUsername.username_key)
        .where(ReservedUsername.expires_at < bindparam("now"))
        .limit(PRUNE_BATCH)
        .with_for_update(skip_locked=True)
    )
)
_PRUNE_PLACES = delete(KnownPlace).where(
    tuple_(KnownPlace.user_id, KnownPlace.key).in_(
        select(KnownPlace.user_id, KnownPlace.key)
        .where(KnownPlace.expires_at < bindparam("now"))
        .limit(PRUNE_BATCH)
        .with_for_update(skip_locked=True)
    )
)


def prune_tokens() -> int:
    """Delete all rows whose time is over; return how many that were.

    Those of sessions, revocations, known places, name reservations, old events and
    counted tries.
    """
    total, deleted = 0, 1
    while deleted:
        with db.session.begin():
            deleted = prune_batch() + audit.prune_batch()
            deleted += throttle.prune_batch(db.session)
        total += deleted
    return total


def prune_batch() -> int:
    """Delete up to a batch of each kind of expired row; return how many in all.

    The caller commits.
    """
    deleted = 0
    for statement in (_PRUNE_REVOKED, _PRUNE_SESSIONS, _PRUNE_NAMES, _PRUNE_PLACES):
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
