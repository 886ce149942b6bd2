"""Signing in with a password."""

from contextlib import suppress

from sqlalchemy import update

from careers_users.auth import audit, places, queries, suspension, throttle, tokens
from careers_users.auth.audit import Trail
from careers_users.auth.device import Device
from careers_users.auth.password_hashing import HashingBusy, passwords, verify
from careers_users.auth.session_opening import open_session
from careers_users.auth.suspension import AccountSuspended
from careers_users.auth.throttle import (
    ALWAYS,
    SUCCESSES,
    Bucket,
    Reservation,
    uncounted_in_trouble,
)
from careers_users.auth.tokens import Tokens
from careers_users.database import Row
from careers_users.extensions import db
from careers_users.http.errors import Unauthorized
from careers_users.models import User
from careers_users.validation import text
from careers_users.validation.limits import SESSIONS_MAX
from careers_users.validation.usernames import identity

# From here on a login makes sure that there is room for its session. Below, as many
# logins of one user as the difference may be under way at once without exceeding it.
SESSIONS_CLOSE_TO_MAX = SESSIONS_MAX - 32


class InvalidCredentials(Unauthorized):
    """Unknown user, wrong password or inactive user: which, is not told."""

    code = "invalid_credentials"
    error = "Username or password is wrong"


def log_in(identifier: str, password: str, device: Device) -> tuple[Row, Tokens]:
    """Open a session for the right password; return the account and the tokens.

    Raises InvalidCredentials, RateLimited or, for the right password of a suspended
    account, AccountSuspended. An unknown user costs the same work, and the same
    statements and commits, as one whose hash is of today's kind.
    """
    key = identity(identifier)
    account = None if key is None else queries.login_account(key, device)
    name = key or identifier  # An impossible name is counted as it was typed.
    tries = _reserve(name, account, device)
    with uncounted_in_trouble(tries):
        opened = None
        is_right = verify(account, password)
        if account is not None and is_right and account["is_active"]:
            _refuse_suspended(account, device, tries)
            opened = _open(account, device, _renewed_hash(account, password), tries)
        if account is None or opened is None:
            _record_failure(name, account, device, tries)
            raise InvalidCredentials
    return account, opened


def _reserve(name: str, account: Row | None, device: Device) -> Reservation:
    """Count a try: by this name here, from here, as this user, right ones as well.

    The first by the name as typed: if a user's two names were counted together, it
    could be found out that they are one user's. Where the user has signed in lately,
    the limits that strangers can fill do not refuse.
    """
    place = places.place(device.address)
    user_id = None if account is None else account["id"]
    whom = name if account is None else user_id
    is_known = account is not None and account["place_known_until"] is not None
    in_a_row = Bucket("login_in_a_row", (whom,))
    buckets = [
        Bucket("login", (name, place)),
        Bucket("login_address", (place,), spared_since=ALWAYS if is_known else None),
        Bucket(SUCCESSES, (whom,)),
    ]
    if not is_known:
        buckets += [Bucket("login_username", (whom,)), in_a_row]
    return throttle.reserve(*buckets, user_id=user_id, in_a_row=in_a_row)


def _record_failure(
    name: str, account: Row | None, device: Device, tries: Reservation
) -> None:
    """Record a failed login, before the reply: on its connection a later write shows.

    By the name as typed, so that what is written does not depend on there being such a
    user. How many there can be from one address is bounded by its limit.
    """
    user_id = audit.NO_USER if account is None else account["id"]
    with audit.short_transaction() as trail:
        trail.record_repeated("login_failed", user_id, device, whom=(name,))
        tries.fail(trail.transaction)


def _refuse_suspended(account: Row, device: Device, tries: Reservation) -> None:
    """Raise AccountSuspended if the account is, and record that it was tried.

    The password was right, so the try counts as no failure.
    """
    if suspension.is_suspended(account):
        with audit.short_transaction() as trail:
            trail.record_repeated("login_refused", account["id"], device)
            tries.succeed(trail.transaction)
        raise AccountSuspended(account["suspension_reason"], account["suspended_until"])


def _renewed_hash(account: Row, password: str) -> str | None:
    """Return a hash of today's parameters, if the stored one has others."""
    if passwords().is_outdated(account["password_hash"]):
        with suppress(HashingBusy):  # Another login renews it.
            return passwords().hash(text.nfc(password))
    return None


def _open(
    account: Row, device: Device, new_hash: str | None, tries: Reservation
) -> Tokens | None:
    """Open a session; None if the account has changed since it was read."""
    is_restored = account["suspended_at"] is not None  # By the clock.
    is_close_to_max = account["live_sessions"] >= SESSIONS_CLOSE_TO_MAX
    if new_hash is None and not is_restored and not is_close_to_max:
        with audit.short_transaction() as trail:
            return _add_session(trail, account, device, tries)
    with audit.transaction() as trail:
        if new_hash is not None:
            _replace_hash(account["id"], account["password_hash"], new_hash)
        if is_restored:
            suspension.lift(trail, account["id"], by="clock")
        if is_close_to_max:
            _make_room(trail, account["id"], device)
        return _add_session(trail, account, device, tries)


def _add_session(
    trail: Trail, account: Row, device: Device, tries: Reservation
) -> Tokens | None:
    opened = open_session(
        trail,
        "login_succeeded",
        account["id"],
        account["token_version"],
        device,
        account,
    )
    if opened is not None:
        tries.succeed(trail.transaction)
    return opened


def _make_room(trail: Trail, user_id: int, device: Device) -> None:
    ended = tokens.make_room(user_id)
    if ended:
        trail.record("session_ended", user_id, device, reason="limit", count=ended)


def _replace_hash(user_id: int, old_hash: str, new_hash: str) -> None:
    # Only if it is still the one verified: it may have been changed meanwhile.
    db.session.execute(
        update(User)
        .where(User.id == user_id)
        .where(User.password_hash == old_hash)
        .values(password_hash=new_hash)
    )
