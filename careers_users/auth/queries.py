"""The reads of auth: the user behind a token, a session, a login."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Interval,
    ScalarSelect,
    Select,
    bindparam,
    exists,
    func,
    select,
)

from careers_users import clock
from careers_users.auth import places
from careers_users.auth.device import Device
from careers_users.auth.tokens import Claims
from careers_users.database import Query, Row, replica
from careers_users.mail import outbox
from careers_users.models import RefreshToken, RevokedToken, User, UserCounters
from careers_users.validation.usernames import identity

_LIVE = Query(
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


_IDS = [bindparam(n, type_=RevokedToken.id.type) for n in ("session_id", "token_id")]
_IS_REVOKED = exists().where(RevokedToken.id.in_(_IDS))

# One statement for every request with a token: the user, unless the session is over;
# with the flag that chooses what the user's reads of others must look at.
VIEWER = (
    select(User.id, User.username, User.has_blocks)
    .where(User.id == bindparam("user_id"))
    .where(User.token_version == bindparam("token_version"))
    .where(User.is_active)
    .where(~_IS_REVOKED)
)
# With whether the address is verified.
VERIFIED_VIEWER = VIEWER.add_columns(User.email_verified_at)
# VIEWER where there is a replica, which may not have the user's last change yet. By the
# one clock that all instances share.
_SETTLING_VIEWER = VIEWER.join(
    UserCounters, UserCounters.user_id == User.id
).add_columns(
    (
        func.greatest(User.changed_at, UserCounters.changed_at)
        > clock.database_now() - bindparam("settling", type_=Interval)
    ).label("is_settling")
)


@cache
def _viewer(statement: Select[*tuple[Any, ...]], *, is_rotated: bool) -> Query:
    """Return the query of a viewer, whose token may have come with a rotation.

    For those few, whether the rotation is still to be confirmed is one more column.
    """
    if is_rotated:
        statement = statement.add_columns(
            exists()
            .where(RefreshToken.id == bindparam("session_id"))
            .where(RefreshToken.generation == bindparam("generation"))
            .where(RefreshToken.confirmed_at.is_(None))
            .label("is_unconfirmed")
        )
    return Query(statement)


_LIVE_SESSION = Query(
    select(
        RefreshToken.generation,
        RefreshToken.confirmed_at,
        RefreshToken.last_used_at,
        RefreshToken.expires_at,
    )
    .join(User, User.id == RefreshToken.user_id)
    .where(RefreshToken.id == bindparam("session_id"))
    .where(RefreshToken.user_id == bindparam("user_id"))
    .where(RefreshToken.revoked_at.is_(None))
    .where(RefreshToken.expires_at > bindparam("now"))
    .where(User.token_version == bindparam("token_version"))
    .where(User.is_active)
    .where(~_IS_REVOKED)
)

_ACCOUNT = select(
    User.id,
    User.username,
    User.email,
    User.email_verified_at,
    User.first_name,
    User.last_name,
    User.password_hash,
    User.token_version,
    User.is_active,
    User.suspended_at,
    User.suspended_until,
    User.suspension_reason,
    # So that a login need not ask whether there is room for another.
    select(func.count())
    .where(RefreshToken.user_id == User.id)
    .where(RefreshToken.revoked_at.is_(None))
    .where(RefreshToken.expires_at > bindparam("now"))
    .scalar_subquery()
    .label("live_sessions"),
)
_BY_USERNAME = User.username_key == bindparam("key")
_BY_EMAIL = User.email_key == bindparam("key")
_LOGIN = _ACCOUNT.add_columns(places.KNOWN_UNTIL)
_LOGIN_BY_USERNAME = Query(_LOGIN.where(_BY_USERNAME))
_LOGIN_BY_EMAIL = Query(_LOGIN.where(_BY_EMAIL))
_DEVICE_LOGIN = _LOGIN.add_columns(places.DEVICE_KNOWN_UNTIL)
_DEVICE_LOGIN_BY_USERNAME = Query(_DEVICE_LOGIN.where(_BY_USERNAME))
_DEVICE_LOGIN_BY_EMAIL = Query(_DEVICE_LOGIN.where(_BY_EMAIL))
_ACCOUNT_BY_USERNAME = Query(_ACCOUNT.where(_BY_USERNAME))
_ACCOUNT_BY_EMAIL = Query(_ACCOUNT.where(_BY_EMAIL))


def _of_session(column: Any) -> ScalarSelect[Any]:
    return (
        select(column)
        .where(RefreshToken.id == bindparam("session_id"))
        .scalar_subquery()
    )


_ACCOUNT_BY_ID = Query(
    _ACCOUNT.where(User.id == bindparam("user_id")).add_columns(
        # NULL if the row has expired; access tokens of its last hour are still good.
        _of_session(RefreshToken.created_at).label("session_created_at"),
        _of_session(RefreshToken.step_up_until).label("step_up_until"),
    )
)
_IS_TAKEN = Query(select(User.id).where(_BY_USERNAME))
_EMAIL = Query(select(User.email).where(User.id == bindparam("user_id")))


def viewer(
    claims: Claims, statement: Select[*tuple[Any, ...]] | None = None
) -> dict[str, Any] | None:
    """Return id, username and flag of a token's user; None if the session is over.

    `statement` is VIEWER with more columns. Without it, where there is a replica, the
    row has `is_settling`: the replica may not have the user's last change. For a token
    that came with a rotation it has `is_unconfirmed`: this is the first call that shows
    that the rotation's reply has arrived.
    """
    parameters: dict[str, object] = {
        "user_id": claims.user_id,
        "token_version": claims.token_version,
        "session_id": claims.session_id,
        "token_id": claims.token_id,
    }
    if statement is None:
        copy = replica.current()
        statement = VIEWER if copy is None else _SETTLING_VIEWER
        if copy is not None:
            parameters["settling"] = copy.settling
    if claims.generation:
        parameters["generation"] = claims.generation
    return _viewer(statement, is_rotated=bool(claims.generation)).one(**parameters)


def live_session(claims: Claims) -> Row | None:
    """Return generation and times of a refresh token's session; None if it is over.

    Whether the token's own generation is still good is not asked here.
    """
    return _LIVE_SESSION.one(
        session_id=claims.session_id,
        token_id=claims.token_id,
        user_id=claims.user_id,
        token_version=claims.token_version,
        now=clock.utcnow(),
    )


def account(identifier: str) -> Row | None:
    """Return the account with that username or e-mail address, hash included.

    `live_sessions` is how many sessions it has that are not over.

    No username contains an @ and every address does, so there is no doubt which it is.
    """
    key = identity(identifier)
    if key is None:
        return None
    query = _ACCOUNT_BY_EMAIL if "@" in key else _ACCOUNT_BY_USERNAME
    return query.one(key=key, now=clock.utcnow())


def account_by_id(user_id: int, session_id: str) -> Row | None:
    """Return the account of that number, with when a session began and is confirmed.

    That is `session_created_at` and `step_up_until`.
    """
    now = clock.utcnow()
    return _ACCOUNT_BY_ID.one(user_id=user_id, session_id=session_id, now=now)


def login_account(name: str, device: Device) -> Row | None:
    """Return the account of a folded name, as a login needs it, or None.

    `place_known_until` is until when the place is known as one of the user's, if it is;
    where mail is on, `device_known_until` is the same for the device.
    """
    values: dict[str, object] = {"key": name, "now": clock.utcnow()}
    values["place_key"] = places.place_key(device.address)
    if not outbox.is_on():
        query = _LOGIN_BY_EMAIL if "@" in name else _LOGIN_BY_USERNAME
        return query.one(**values)
    query = _DEVICE_LOGIN_BY_EMAIL if "@" in name else _DEVICE_LOGIN_BY_USERNAME
    return query.one(**values, device_key=places.device_key(device))


def is_username_taken(username: str) -> bool:
    """Return whether there is a user of that name."""
    return _IS_TAKEN.one(key=username.lower()) is not None


def email(user_id: int) -> str | None:
    """Return a user's e-mail address; None if there is no such user."""
    row = _EMAIL.one(user_id=user_id)
    return None if row is None else row["email"]


def live(viewer: Claims) -> Sequence[dict[str, Any]]:
    """Return the viewer's live sessions, the last used first, the `current` marked."""
    return [
        {**row, "current": row["id"] == viewer.session_id}
        for row in _LIVE.all(user_id=viewer.user_id, now=clock.utcnow())
    ]
