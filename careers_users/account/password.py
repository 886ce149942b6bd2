"""The change of a password: of the hash, and with it of every session and link."""

from typing import Any

from sqlalchemy import update

from careers_users.auth import audit, links, outgoing, step_up, tokens
from careers_users.auth.audit import Trail
from careers_users.auth.device import Device
from careers_users.auth.email_change import NOTHING_PENDING
from careers_users.auth.links import Link
from careers_users.auth.password_hashing import passwords
from careers_users.auth.schemas import refuse_known
from careers_users.auth.session_opening import open_session
from careers_users.auth.throttle import uncounted_in_trouble
from careers_users.auth.tokens import Claims, Tokens
from careers_users.extensions import db
from careers_users.http.errors import TokenRevoked, ValidationFailed
from careers_users.models import User


class WrongPassword(ValidationFailed):
    """The old password is not the user's.

    A 400, since a 401 would make clients believe that their token is no good.
    """

    def __init__(self) -> None:
        super().__init__({"old_password": ["Wrong password."]})


def change(viewer: Claims, old: str, new: str, device: Device) -> Tokens:
    """Set a new password; end all sessions, and return the tokens of a new one.

    Raises WrongPassword, RateLimited, ValidationError for one that others can see, or
    TokenRevoked if the account or the password has been changed meanwhile.
    """
    account = step_up.account_of(viewer)
    refuse_known(new, account["username"], account["email"])
    tries = step_up.verify_again(
        viewer,
        account,
        old,
        device,
        event="password_change_failed",
        refusal=WrongPassword,
    )
    with uncounted_in_trouble(tries):
        new_hash = passwords().hash(new)
        with audit.transaction() as trail:
            version = replace(
                trail,
                viewer.user_id,
                new_hash,
                "password_changed",
                device,
                token_version=account["token_version"],
            )
            if version is None:
                raise TokenRevoked
            opened = open_session(
                trail, "password_changed", viewer.user_id, version, device
            )
            tries.give_back(trail.transaction)
    assert opened is not None
    return opened


def replace(
    trail: Trail,
    user_id: int,
    new_hash: str,
    reason: str,
    device: Device,
    *,
    token_version: int | None = None,
    link: Link | None = None,
    **values: Any,
) -> int | None:
    """Give an active user another password, end all sessions and links, send a notice.

    Tokens of any version but the new one, which is returned, are refused from now on.
    With a `token_version`, only if it still is the user's; with a `link`, which is
    used, only if that is good: else raises what `links.use` raises. None if there is no
    such user. `values` are other columns. The caller commits.
    """
    version = _write(user_id, token_version, password_hash=new_hash, **values)
    if version is not None:
        if link is not None:  # Locked after the user's row, as always.
            links.use(trail.transaction, link)
        tokens.end_sessions(user_id, reason)
        links.void(trail.transaction, user_id, links.RESET, *links.CHANGE)
        outgoing.put(trail.transaction, outgoing.PASSWORD, user_id, device)
    return version


def _write(user_id: int, token_version: int | None, **values: Any) -> int | None:
    statement = (
        update(User)
        .where(User.id == user_id)
        .where(User.is_active)
        .values(token_version=User.token_version + 1, **NOTHING_PENDING, **values)
        .returning(User.token_version)
        .execution_options(synchronize_session=False)
    )
    if token_version is not None:
        statement = statement.where(User.token_version == token_version)
    version: int | None = db.session.execute(statement).scalar_one_or_none()
    return version
