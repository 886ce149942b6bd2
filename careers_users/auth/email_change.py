"""A new e-mail address: at once, or once those who read mail at both have agreed.

Which of the two is the setting EMAIL_CHANGE. Where the old address is not verified, the
new one alone is asked.
"""

from typing import Any, Literal

from flask import current_app
from sqlalchemy import RowMapping, bindparam, select, update
from sqlalchemy.exc import IntegrityError

from careers_users import clock
from careers_users.auth import audit, links, outgoing
from careers_users.auth.audit import Trail
from careers_users.auth.device import Device
from careers_users.auth.links import CHANGE, CHANGE_NEW, CHANGE_OLD, RESET, VERIFY
from careers_users.auth.registration import EmailTaken, translate_conflict
from careers_users.database import Query, Row
from careers_users.extensions import db
from careers_users.models import User
from careers_users.validation import folding

WhichAddress = Literal["old", "new"]
# No change is under way.
NOTHING_PENDING: dict[str, Any] = {
    "pending_email": None,
    "pending_old_confirmed_at": None,
    "pending_new_confirmed_at": None,
}


def needs_confirmation() -> bool:
    """Return whether a new address waits for those who read mail there."""
    return bool(current_app.config["EMAIL_CHANGE"] == "confirm")


def new_address(email: str) -> dict[str, Any]:
    """Return the columns of a user with a new address, which is not verified."""
    return {
        "email": email,
        "email_key": folding.identity(email),
        "email_verified_at": None,
        "mail_failed_at": None,
        **NOTHING_PENDING,
    }


def tell_changed(
    trail: Trail, user_id: int, old: Row | RowMapping, device: Device
) -> None:
    """Void the links to the old address, and tell those who read mail there.

    `old` has `email` and `email_verified_at` before the change. The caller has locked
    the user, and commits.
    """
    links.void(trail.transaction, user_id, RESET, VERIFY, *CHANGE)
    trail.record_repeated("email_changed", user_id, device)
    if old["email_verified_at"] is not None:
        address = old["email"]
        outgoing.put(
            trail.transaction, outgoing.ADDRESS, user_id, device, address=address
        )


def ask(
    trail: Trail, user_id: int, old: Row | RowMapping, email: str, device: Device
) -> None:
    """Ask for the change to an address, or withdraw one by asking for the present.

    `old` has `email`, `email_verified_at` and `pending_email`, and is locked. Asked
    again for the same address, what has been confirmed stays so. Raises EmailTaken if
    another user has the address already; the confirmation is what decides.
    """
    transaction = trail.transaction
    if email == old["email"]:
        if old["pending_email"] is not None:
            transaction.execute(_PEND, owner=user_id, address=None, old_at=None)
            links.void(transaction, user_id, *CHANGE)
        return
    if transaction.execute(_IS_TAKEN, key=folding.identity(email), owner=user_id):
        raise EmailTaken
    is_verified = old["email_verified_at"] is not None
    if email != old["pending_email"]:
        old_at = None if is_verified else clock.utcnow()
        transaction.execute(_PEND, owner=user_id, address=email, old_at=old_at)
        # Or the link to an address would confirm another one.
        links.void(transaction, user_id, *CHANGE)
    trail.record_repeated("email_change_requested", user_id, device)
    outgoing.put(transaction, CHANGE_NEW, user_id, device)
    if is_verified:
        outgoing.put(transaction, CHANGE_OLD, user_id, device)


def confirm(token: str, device: Device) -> WhichAddress | None:
    """Confirm a change for the side that a link was sent to; return who is waited for.

    None says that the address has changed. Raises LinkInvalid, LinkUsed, LinkExpired,
    or EmailTaken if another user has got the address meanwhile.
    """
    link = links.read(token, *CHANGE)
    try:
        with audit.transaction() as trail:
            user = _locked(link.user_id)
            links.use(trail.transaction, link)
            if user["pending_email"] is None:
                raise links.LinkInvalid
            return _confirm(trail, user, link.purpose, device)
    except IntegrityError as error:
        raise translate_conflict(error) from error


def _confirm(
    trail: Trail, user: RowMapping, purpose: str, device: Device
) -> WhichAddress | None:
    side: WhichAddress = "new" if purpose == CHANGE_NEW else "old"
    other: WhichAddress = "old" if side == "new" else "new"
    trail.record("email_change_confirmed", user["id"], device, by=side)
    if user[f"pending_{other}_confirmed_at"] is None:
        _write(user["id"], **{f"pending_{side}_confirmed_at": clock.utcnow()})
        return other
    now = clock.utcnow()
    _write(
        user["id"],
        **new_address(user["pending_email"])
        | {"email_verified_at": now, "updated_at": max(now, user["updated_at"])},
        changed_at=clock.database_now(),
    )
    tell_changed(trail, user["id"], user, device)
    return None


def _locked(user_id: int) -> RowMapping:
    """Return the user of a link, locked; LinkInvalid if there is none."""
    user = (
        db.session.execute(
            select(
                User.id,
                User.email,
                User.email_verified_at,
                User.updated_at,
                User.pending_email,
                User.pending_old_confirmed_at,
                User.pending_new_confirmed_at,
            )
            .where(User.id == user_id)
            .where(User.is_active)
            .with_for_update(key_share=True)
        )
        .mappings()
        .one_or_none()
    )
    if user is None:
        raise links.LinkInvalid
    return user


def _write(user_id: int, **values: Any) -> None:
    db.session.execute(
        update(User)
        .where(User.id == user_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


_PEND = Query(
    update(User)
    .where(User.id == bindparam("owner"))
    .values(
        pending_email=bindparam("address"),
        pending_old_confirmed_at=bindparam("old_at"),
        pending_new_confirmed_at=None,
    )
    .execution_options(synchronize_session=False)
)
_IS_TAKEN = Query(
    select(User.id)
    .where(User.email_key == bindparam("key"))
    .where(User.id != bindparam("owner"))
)
