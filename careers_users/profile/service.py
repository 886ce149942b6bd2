"""The changes of a profile by its owner."""

from typing import Any

from sqlalchemy import RowMapping, select, update
from sqlalchemy.exc import IntegrityError

from careers_users import clock
from careers_users.auth import audit, email_change, outgoing, places, step_up, throttle
from careers_users.auth import queries as auth_queries
from careers_users.auth.audit import Trail
from careers_users.auth.device import Device
from careers_users.auth.registration import translate_conflict
from careers_users.auth.throttle import Bucket, Reservation, uncounted_in_trouble
from careers_users.auth.tokens import Claims
from careers_users.extensions import db
from careers_users.http.errors import ServiceError, TokenRevoked
from careers_users.models import User
from careers_users.validation.words import searchable


class UserNotFound(ServiceError):
    """There is no user of that name or number."""

    status = 404
    code = "user_not_found"
    error = "There is no such user"


def update_profile(
    viewer: Claims, changes: dict[str, Any], device: Device
) -> RowMapping:
    """Change a profile and return it; `changes` is what UpdateSchema loads.

    Raises EmailTaken, as the database decides; RateLimited, after too many changes of
    address; ConfirmationRequired, for an address that has to be confirmed; or
    TokenRevoked if the account or the password has been changed meanwhile.
    """
    with uncounted_in_trouble(_reserve_email(viewer, changes, device)):
        try:
            with audit.transaction() as trail:
                return _update(trail, viewer, changes, device)
        except IntegrityError as error:
            raise translate_conflict(error) from error


def _reserve_email(
    viewer: Claims, changes: dict[str, Any], device: Device
) -> Reservation:
    """Count a new e-mail address like a registration, by address and by user.

    Both reveal that an address is taken.
    """
    if changes.get("email") in (None, auth_queries.email(viewer.user_id)):
        return Reservation()
    if email_change.needs_confirmation():
        step_up.require(step_up.account_of(viewer))
    return throttle.reserve(
        Bucket("register", (places.place(device.address),)),
        Bucket("register", ("user", viewer.user_id)),
        user_id=viewer.user_id,
    )


def _update(
    trail: Trail, viewer: Claims, changes: dict[str, Any], device: Device
) -> RowMapping:
    """Write the changes; return the row after them."""
    user_id = viewer.user_id
    before = _locked(viewer)
    email = changes.get("email")
    if email is not None and email_change.needs_confirmation():
        changes = {name: changes[name] for name in changes if name != "email"}
        email_change.ask(trail, user_id, before, email, device)
    profile = _write(user_id, before, changes)
    if profile["email"] != before["email"]:
        email_change.tell_changed(trail, user_id, before, device)
        outgoing.put_verification(trail.transaction, user_id, device)
    return profile


def _write(user_id: int, before: RowMapping, changes: dict[str, Any]) -> RowMapping:
    values = {**changes, **searchable(**{**before, **changes})}
    if changes.get("email", before["email"]) != before["email"]:
        values |= email_change.new_address(changes["email"])
    if changes:
        # Written by an instance whose clock is ahead, it must not move back here.
        values["updated_at"] = max(clock.utcnow(), before["updated_at"])
        values["changed_at"] = clock.database_now()
    statement = (
        update(User)
        .where(User.id == user_id)
        .values(**values)
        .returning(
            User.id,
            User.username,
            User.email,
            User.first_name,
            User.last_name,
            User.bio,
            User.avatar,
            User.updated_at,
        )
        .execution_options(synchronize_session=False)
    )
    return db.session.execute(statement).mappings().one()


def _locked(viewer: Claims) -> RowMapping:
    """Return what a change depends on, and keep it from being changed by others.

    The searched text is made of several columns: two changes of different columns at
    once must not each write it without the other's. The lock lets others refer to the
    row: new follows would starve one that does not. Raises TokenRevoked if the token is
    of a former version: a change that has waited for the reset of a password must not
    put a thief's address into the account afterwards.
    """
    row = (
        db.session.execute(
            select(
                User.email,
                User.email_verified_at,
                User.pending_email,
                User.updated_at,
                *_SEARCHED,
            )
            .where(User.id == viewer.user_id)
            .where(User.token_version == viewer.token_version)
            .with_for_update(key_share=True)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise TokenRevoked
    return row


_SEARCHED = (User.username, User.first_name, User.last_name, User.bio)
