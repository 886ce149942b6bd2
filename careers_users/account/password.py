"""What is changed with a password: the hash, and with it every session."""

from sqlalchemy import update

from careers_users.auth import audit, step_up, tokens
from careers_users.auth.device import Device
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
            version = _replace(viewer.user_id, account["token_version"], new_hash)
            tokens.end_sessions(viewer.user_id, "password_changed")
            opened = open_session(
                trail, "password_changed", viewer.user_id, version, device
            )
            tries.give_back(trail.transaction)
    assert opened is not None
    return opened


def _replace(user_id: int, token_version: int, new_hash: str) -> int:
    """Write the hash, and a new version: tokens of any other are refused from now on.

    Only if the version is still the one that was read with the hash just verified.
    """
    version: int | None = db.session.execute(
        update(User)
        .where(User.id == user_id)
        .where(User.token_version == token_version)
        .where(User.is_active)
        .values(password_hash=new_hash, token_version=User.token_version + 1)
        .returning(User.token_version)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if version is None:
        raise TokenRevoked
    return version
