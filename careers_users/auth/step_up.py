"""Asking for the password again, before a change that a stolen token may not make.

A change asks for it in its own body, or wants the session to be confirmed: that it is
by a login, a registration or `POST me/confirm/` of the last ten minutes.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, update

from careers_users import clock
from careers_users.auth import audit, queries, throttle
from careers_users.auth.device import Device
from careers_users.auth.password_hashing import verify
from careers_users.auth.throttle import (
    Bucket,
    Reservation,
    give_back,
    uncounted_in_trouble,
)
from careers_users.auth.tokens import Claims
from careers_users.database import Query, Row
from careers_users.http.errors import Forbidden, ServiceError, TokenRevoked
from careers_users.models import RefreshToken

CONFIRMED_FOR = timedelta(minutes=10)
_NEVER = datetime.min.replace(tzinfo=UTC)


class WrongPassword(Forbidden):
    """The password that should confirm a change is not the viewer's.

    Not a 401: the token is good, and clients take a 401 for the end of it.
    """

    code = "wrong_password"
    error = "The password is wrong"

    def __init__(self) -> None:
        super().__init__({"password": ["Wrong."]})


class ConfirmationRequired(Forbidden):
    """The session has not been confirmed lately; `methods` says how it can be."""

    code = "confirmation_required"
    error = "Confirm with your password that it is you"

    def __init__(self) -> None:
        super().__init__({"methods": ["password"]})


def require(account: Row) -> None:
    """Raise ConfirmationRequired unless the session was confirmed lately.

    `account` is what `account_of` returns.
    """
    until = account["step_up_until"]
    began = account["session_created_at"]
    times = [until, began and began + CONFIRMED_FOR]
    if max((time for time in times if time), default=_NEVER) <= clock.utcnow():
        raise ConfirmationRequired


def account_of(viewer: Claims) -> Row:
    """Return the viewer's account; TokenRevoked if there is none."""
    account = queries.account_by_id(viewer.user_id, viewer.session_id)
    if account is None:
        raise TokenRevoked
    return account


def confirm(viewer: Claims, password: str, device: Device) -> None:
    """Raise WrongPassword unless the password is the viewer's.

    Or RateLimited, after too many wrong ones.
    """
    tries = verify_again(
        viewer,
        account_of(viewer),
        password,
        device,
        event="confirmation_failed",
        refusal=WrongPassword,
    )
    give_back(tries)


def confirm_session(viewer: Claims, password: str, device: Device) -> datetime:
    """Confirm the viewer's session; return until when it is.

    Raises WrongPassword, RateLimited, or TokenRevoked if the session is over.
    """
    tries = verify_again(
        viewer,
        account_of(viewer),
        password,
        device,
        event="confirmation_failed",
        refusal=WrongPassword,
    )
    until = clock.utcnow() + CONFIRMED_FOR
    session = {"session_id": viewer.session_id, "until": until}
    with uncounted_in_trouble(tries), audit.short_transaction() as trail:
        if not trail.transaction.execute(_CONFIRM, **session):
            raise TokenRevoked
        trail.record_repeated("session_confirmed", viewer.user_id, device)
        tries.give_back(trail.transaction)
    return until


_CONFIRM = Query(
    update(RefreshToken)
    .where(RefreshToken.id == bindparam("session_id"))
    .where(RefreshToken.revoked_at.is_(None))
    .values(step_up_until=bindparam("until"))
    .returning(RefreshToken.id)
    .execution_options(synchronize_session=False)
)


def verify_again(
    viewer: Claims,
    account: Row,
    password: str,
    device: Device,
    *,
    event: str,
    refusal: type[ServiceError],
) -> Reservation:
    """Return the try, to be given back, if the password is that of the account.

    If not, record the event and raise the refusal; or RateLimited, after too many.
    Wrong ones count by session and by user. Those by user do not refuse a session that
    is younger than they are: a thief of a token can't keep the owner, who has signed in
    again, from changing the password.
    """
    user_id = viewer.user_id
    tries = throttle.reserve(
        Bucket("password", (user_id, viewer.session_id)),
        Bucket("password", (user_id,), spared_since=account["session_created_at"]),
        user_id=user_id,
    )
    with uncounted_in_trouble(tries):
        if not verify(account, password):
            with audit.short_transaction() as trail:
                trail.record_repeated(event, user_id, device)
            raise refusal
    return tries
