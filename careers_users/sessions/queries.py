"""What is read of sessions by their owner."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select

from careers_users import clock, database
from careers_users.auth.tokens import Claims
from careers_users.models import RefreshToken

_LIVE = (
    select(
        RefreshToken.id,
        RefreshToken.user_agent.label("device"),
        RefreshToken.address,
        RefreshToken.created_at,
        RefreshToken.last_used_at,
        RefreshToken.expires_at,
    )
    .where(RefreshToken.user_id == bindparam("user_id"))
    .where(RefreshToken.revoked_at.is_(None))
    .where(RefreshToken.expires_at > bindparam("now"))
    .order_by(RefreshToken.last_used_at.desc(), RefreshToken.id)
)


def live(viewer: Claims) -> Sequence[dict[str, Any]]:
    """Return the viewer's live sessions, the last used first, the `current` marked."""
    parameters = {"user_id": viewer.user_id, "now": clock.utcnow()}
    return [
        {**row, "current": row["id"] == viewer.session_id}
        for row in database.fetch_all(_LIVE, parameters)
    ]
