"""What people do with their profile."""

from typing import Any

from sqlalchemy import RowMapping, select, update
from sqlalchemy.exc import IntegrityError

from careers_users import clock
from careers_users.auth import audit
from careers_users.auth.device import Device
from careers_users.auth.registration import translate_conflict
from careers_users.database import ngram_counts
from careers_users.extensions import db
from careers_users.http.errors import ServiceError, TokenRevoked
from careers_users.models import User
from careers_users.observability import security_log
from careers_users.validation import text


class UserNotFound(ServiceError):
    """There is no user of that name or number."""

    status = 404
    code = "user_not_found"
    error = "There is no such user"


def update_profile(user_id: int, changes: dict[str, Any], device: Device) -> RowMapping:
    """Change a profile and return it; `changes` is what UpdateSchema loads.

    Raises EmailTaken, as the database decides.
    """
    try:
        with db.session.begin():
            old_email, profile = _update(user_id, changes)
            is_moved = profile["email"] != old_email
            if is_moved:
                audit.record("email_changed", user_id, device)
    except IntegrityError as error:
        raise translate_conflict(error) from error
    if is_moved:
        security_log.record("email_changed", user_id)
    ngram_counts.tidy()
    return profile


def _update(user_id: int, changes: dict[str, Any]) -> tuple[str, RowMapping]:
    """Write the changes; return the e-mail address before them, and the row after."""
    before = _locked(user_id)
    names = {name: before[name] for name in _SEARCHED}
    names |= {name: value for name, value in changes.items() if name in names}
    values = {**changes, "search_text": text.search_text(**names)}
    for name, key in _FOLDED.items():
        if name in changes:
            values[key] = text.fold(changes[name])
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
    return before["email"], db.session.execute(statement).mappings().one()


def _locked(user_id: int) -> RowMapping:
    """Return what a change depends on, and keep it from being changed by others.

    The searched text is made of several columns: two changes of different columns at
    once must not each write it without the other's.
    """
    row = (
        db.session.execute(
            select(User.email, User.updated_at, *_SEARCHED.values())
            .where(User.id == user_id)
            .with_for_update()
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise TokenRevoked
    return row


_SEARCHED = {
    "username": User.username,
    "first_name": User.first_name,
    "last_name": User.last_name,
    "bio": User.bio,
}
_FOLDED = {
    "first_name": "first_name_key",
    "last_name": "last_name_key",
    "email": "email_key",
}
