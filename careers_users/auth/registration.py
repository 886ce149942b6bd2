"""Registration: a new account and its first session."""

from typing import Any

from sqlalchemy import RowMapping, bindparam, exists, insert
from sqlalchemy.exc import IntegrityError

from careers_users import clock
from careers_users.auth import audit, outgoing, places, queries, throttle
from careers_users.auth.device import Device
from careers_users.auth.password_hashing import passwords
from careers_users.auth.session_opening import open_session
from careers_users.auth.throttle import Bucket, uncounted_in_trouble
from careers_users.auth.tokens import Tokens
from careers_users.database.errors import is_violated
from careers_users.extensions import db
from careers_users.http.errors import ServiceError
from careers_users.models import ReservedUsername, User, UserCounters
from careers_users.validation import folding
from careers_users.validation.words import searchable


class UsernameTaken(ServiceError):
    """Another user has this username, in whatever case."""

    status = 409
    code = "username_taken"
    error = "This username is already taken"

    def __init__(self) -> None:
        super().__init__({"username": ["Already taken."]})


class EmailTaken(ServiceError):
    """Another user has this e-mail address, in whatever case."""

    status = 409
    code = "email_taken"
    error = "This email address is already registered"

    def __init__(self) -> None:
        super().__init__({"email": ["Already registered."]})


def register(account: dict[str, Any], device: Device) -> tuple[RowMapping, Tokens]:
    """Add an account and open its first session; return the user's row and the tokens.

    `account` is what RegisterSchema loads. Raises UsernameTaken or EmailTaken, as the
    database decides, and RateLimited: of those too, or names could be tried out.
    """
    tries = throttle.reserve(Bucket("register", (places.place(device.address),)))
    with uncounted_in_trouble(tries):
        password_hash = passwords().hash(account["password"])
        try:
            user, opened = _add(account, password_hash, device)
        except IntegrityError as error:
            raise taken(error, account["username"]) from error
    return user, opened


def _add(
    account: dict[str, Any], password_hash: str, device: Device
) -> tuple[RowMapping, Tokens]:
    with audit.transaction() as trail:
        user = add_user(account, password_hash)
        opened = open_session(
            trail, "registered", user["id"], user["token_version"], device
        )
        outgoing.put_verification(trail.transaction, user["id"], device)
    assert opened is not None
    return user, opened


_NEW_ACCOUNT = (
    User.id,
    User.username,
    User.email,
    User.first_name,
    User.last_name,
    User.bio,
    User.avatar,
    User.created_at,
    User.token_version,
)


def add_user(account: dict[str, Any], password_hash: str) -> RowMapping:
    """Add the rows of a new account and return the user's; the caller commits."""
    now = clock.utcnow()
    key = folding.identity(account["username"])
    statement = (
        insert(User)
        .values(
            username=account["username"],
            username_key=key,
            email=account["email"],
            email_key=folding.identity(account["email"]),
            password_hash=password_hash,
            first_name=account["first_name"],
            last_name=account["last_name"],
            bio=account["bio"],
            avatar=account["avatar"],
            **searchable(**account),
            created_at=now,
            updated_at=now,
            changed_at=clock.database_now(),
        )
        .returning(*_NEW_ACCOUNT)
    )
    user = db.session.execute(statement).mappings().one()
    # Whether the name is reserved is asked by the statement after the one that took it:
    # who waited for the deletion of its account sees what that has written.
    parameters = {"new_id": user["id"], "key": key, "now": now}
    if db.session.execute(_ADD_COUNTERS, parameters).scalar_one():
        raise UsernameTaken
    return user


_ADD_COUNTERS = (
    insert(UserCounters)
    .values(user_id=bindparam("new_id"))
    .returning(
        exists()
        .where(ReservedUsername.username_key == bindparam("key"))
        .where(ReservedUsername.expires_at > bindparam("now"))
    )
)


def taken(error: IntegrityError, username: str) -> Exception:
    """Return the refusal for a new account of that name.

    If name and address are both taken, each database finds another first; clients
    get the same. Always with the same statements: how long a refused name takes must
    not tell that the address is taken too.
    """
    refusal = translate_conflict(error)
    is_taken = queries.is_username_taken(username)
    return UsernameTaken() if isinstance(refusal, EmailTaken) and is_taken else refusal


def translate_conflict(error: IntegrityError) -> Exception:
    """Return the refusal for a username or e-mail address that is taken."""
    if is_violated(error, "uq_users_username_key"):
        return UsernameTaken()
    if is_violated(error, "uq_users_email_key"):
        return EmailTaken()
    return error
