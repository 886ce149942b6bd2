"""Asking for the password again, before a change that a stolen token may not make."""

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
from careers_users.database import Row
from careers_users.http.errors import Forbidden, ServiceError, TokenRevoked


class WrongPassword(Forbidden):
    """The password that should confirm a change is not the viewer's.

    Not a 401: the token is good, and clients take a 401 for the end of it.
    """

    code = "wrong_password"
    error = "The password is wrong"

    def __init__(self) -> None:
        super().__init__({"password": ["Wrong."]})


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
