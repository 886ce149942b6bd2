"""A new session: its row, its event, its tokens.

From then on the place is known, and with mail on the device too, of which mail tells if
it was not.
"""

import uuid
from collections.abc import Iterator

from sqlalchemy import bindparam, insert, literal, select

from careers_users import clock
from careers_users.auth import outgoing, places, tokens
from careers_users.auth.audit import Trail
from careers_users.auth.device import Device
from careers_users.auth.outgoing import NEW_DEVICE
from careers_users.auth.tokens import Tokens
from careers_users.database import Query, Row
from careers_users.mail import outbox
from careers_users.models import RefreshToken, User
from careers_users.validation.limits import REFRESH_LIFETIME

# Stands for a column that was not read, since mail is off.
NOT_ASKED = object()

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
    account: Row | None = None,
) -> Tokens | None:
    """Add a session and record its event; return its tokens. The caller commits.

    `account` is that of a login, which knows whether place and device are known. Else
    they become so without a word: the user has just registered or changed the password.

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
    places.remember(trail.transaction, user_id, list(_news(device, account)))
    if account is not None and _is_new_device(account):
        key = places.device_key(device)
        outgoing.put(trail.transaction, NEW_DEVICE, user_id, device, asked=key)
    return Tokens(
        access=tokens.issue_access(user_id, session_id, token_version),
        refresh=tokens.issue_refresh(user_id, session_id, token_version, 1, expires_at),
    )


def _news(device: Device, account: Row | None) -> Iterator[str]:
    """Yield the keys to remember: of the place, and of the device where mail is on.

    A device that a login finds unknown becomes known when the mail about it is made.
    """
    if account is None or places.is_due(account["place_known_until"]):
        yield places.place_key(device.address)
    if outbox.is_on() and (
        account is None
        or (
            not _is_new_device(account) and places.is_due(account["device_known_until"])
        )
    ):
        yield places.device_key(device)


def _is_new_device(account: Row) -> bool:
    return account.get("device_known_until", NOT_ASKED) is None
