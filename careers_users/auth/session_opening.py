"""A new session: its row, its event, its tokens; from then on the place is known."""

import uuid
from datetime import datetime

from sqlalchemy import bindparam, insert, literal, select

from careers_users import clock
from careers_users.auth import places, tokens
from careers_users.auth.audit import Trail
from careers_users.auth.device import Device
from careers_users.auth.tokens import Tokens
from careers_users.database import Query
from careers_users.models import RefreshToken, User
from careers_users.validation.limits import REFRESH_LIFETIME

# No row if the user is not any more what was read before the password was hashed. The
# lock waits for a change under way, and keeps the next one until the session is there
# for it to end.
_ADD_SESSION = Query(
    insert(RefreshToken)
    .from_select(
        (
            "id user_id generation created_at last_used_at expires_at user_agent"
            " address"
        ).split(),
        select(
            bindparam("session_id", type_=RefreshToken.id.type),
            User.id,
            literal(1, RefreshToken.generation.type),
            bindparam("session_begins", type_=RefreshToken.created_at.type),
            bindparam("session_begins", type_=RefreshToken.last_used_at.type),
            bindparam("session_ends", type_=RefreshToken.expires_at.type),
            bindparam("session_user_agent", type_=RefreshToken.user_agent.type),
            bindparam("session_address", type_=RefreshToken.address.type),
        )
        .where(User.id == bindparam("session_user_id"))
        .where(User.token_version == bindparam("session_version"))
        .where(User.is_active)
        .with_for_update(read=True),
    )
    .returning(RefreshToken.id)
)


def open_session(
    trail: Trail,
    event: str,
    user_id: int,
    token_version: int,
    device: Device,
    place_known_until: datetime | None = None,
) -> Tokens | None:
    """Add a session and record its event; return its tokens. The caller commits.

    None if the user has been deleted or deactivated, or has another token version by
    now: the password that was verified may be the old one.
    """
    now = clock.utcnow()
    session_id, expires_at = uuid.uuid4().hex, now + REFRESH_LIFETIME
    row = {
        "session_id": session_id,
        "session_user_id": user_id,
        "session_version": token_version,
        "session_begins": now,
        "session_ends": expires_at,
        "session_user_agent": device.user_agent,
        "session_address": device.address,
    }
    if not trail.record_with(_ADD_SESSION, row, event, user_id, device):
        return None
    places.remember(trail.transaction, user_id, device.address, place_known_until)
    return Tokens(
        access=tokens.issue_access(user_id, session_id, token_version),
        refresh=tokens.issue_refresh(user_id, session_id, token_version, 1, expires_at),
    )
