"""The parts that blocks and mutes share: the other user, locks, and the limit."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import bindparam, select, update

from careers_users import clock, database
from careers_users.auth.throttle import Bucket, RateLimited
from careers_users.database import Query, Row, Transaction
from careers_users.http.errors import ServiceError, TokenRevoked
from careers_users.models import User, UserCounters
from careers_users.observability import security_log
from careers_users.profile import visibility
from careers_users.profile.service import UserNotFound
from careers_users.validation.usernames import is_username


class CannotTargetSelf(ServiceError):
    """The user to block or to mute is the viewer."""

    status = 400
    code = "cannot_target_self"
    error = "This can't be done to yourself"


class LimitReached(ServiceError):
    """The viewer has as many of these as a user can have."""

    status = 409
    code = "limit_reached"
    error = "You have reached the limit"


# Also of users who block the viewer: they can be blocked in return.
_TARGET = Query(
    select(
        User.id,
        User.username,
        visibility.viewer_blocks(User.id).label("is_blocking"),
    )
    .where(User.username_key == bindparam("key"))
    .where(visibility.is_not_suspended())
)
_IDS = [bindparam(name, type_=User.id.type) for name in ("viewer_id", "user_id")]
# In ascending id. References to these users go on meanwhile; their deletion does not.
_LOCK = Query(
    select(User.id)
    .where(User.id.in_(_IDS))
    .where(visibility.is_not_suspended())
    .order_by(User.id)
    .with_for_update(key_share=True)
)
# A replica may not have it yet, so the viewer's next reads are from the primary.
_TOUCH = Query(
    update(UserCounters)
    .where(UserCounters.user_id == bindparam("viewer_id", type_=User.id.type))
    .values(changed_at=clock.database_now())
)


def target(viewer: Row, username: str) -> Row:
    """Return id and username of the user meant, and whether the viewer blocks them.

    Raises UserNotFound or CannotTargetSelf.
    """
    user = None
    if is_username(username):
        user = _TARGET.one(key=username.lower(), viewer_id=viewer["id"])
    if user is None:
        raise UserNotFound
    if user["id"] == viewer["id"]:
        raise CannotTargetSelf
    return user


@contextmanager
def changing(viewer_id: int, user_id: int) -> Iterator[Transaction]:
    """Give a transaction in which both users are locked.

    Raises UserNotFound or TokenRevoked if one of them is not there any more.
    """
    with database.transaction() as transaction:
        rows = transaction.execute(_LOCK, viewer_id=viewer_id, user_id=user_id)
        there = {row["id"] for row in rows}
        if viewer_id not in there:
            raise TokenRevoked
        if user_id not in there:
            raise UserNotFound
        yield transaction
        transaction.defer(_TOUCH, viewer_id=viewer_id)


@contextmanager
def limited(viewer_id: int) -> Iterator[Bucket]:
    """Give what counts new blocks and mutes together; log if there are too many."""
    try:
        yield Bucket("follow", ("block", viewer_id))
    except RateLimited as refusal:
        security_log.record("throttled", viewer_id, rate=refusal.rate)
        raise
