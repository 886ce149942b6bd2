"""The changes of the graph: follow and unfollow."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from sqlalchemy.exc import IntegrityError

from careers_users import clock, database
from careers_users.auth import throttle
from careers_users.auth.throttle import Bucket, RateLimited
from careers_users.database import Row, Transaction
from careers_users.database.errors import is_violated
from careers_users.follow import edges, queries
from careers_users.follow.pairs import LimitReached
from careers_users.http.errors import ServiceError, TokenRevoked
from careers_users.observability import security_log
from careers_users.profile.service import UserNotFound


class CannotFollowSelf(ServiceError):
    """Users can't follow, or unfollow, themselves."""

    status = 400
    code = "cannot_follow_self"
    error = "You can't follow yourself"


class AlreadyFollowing(ServiceError):
    """The edge is there already."""

    status = 409
    code = "already_following"
    error = "You already follow this user"


class NotFollowing(ServiceError):
    """There is no such edge."""

    status = 404
    code = "not_following"
    error = "You don't follow this user"


class NotAFollower(ServiceError):
    """There is no edge in the other direction."""

    status = 404
    code = "not_a_follower"
    error = "This user does not follow you"


class Blocking(ServiceError):
    """The viewer blocks the user, and has to take that back first."""

    status = 409
    code = "blocking"
    error = "You block this user"


class _Hidden(Exception):
    """A block or a suspension came in between."""


@dataclass(frozen=True)
class Edge:
    """An edge, with the names at its ends."""

    id: int
    follower: int
    following: int
    follower_username: str
    following_username: str
    created_at: datetime


def follow_id(viewer: Row, user_id: int) -> Edge:
    """Make the viewer follow the user of that number, as `follow_name` does by name."""
    return _follow(viewer, _found_by_id(viewer, user_id))


def follow_name(viewer: Row, username: str) -> Edge:
    """Make the viewer follow the user of that name.

    Raises UserNotFound, CannotFollowSelf, Blocking, AlreadyFollowing, LimitReached or
    RateLimited.
    """
    user = _other(viewer, queries.user_by_username(username, viewer))
    return _follow(viewer, _unblocked(user))


def _found_by_id(viewer: Row, user_id: int) -> Row:
    return _unblocked(_other(viewer, queries.user_by_id(user_id, viewer)))


def _follow(viewer: Row, user: Row) -> Edge:
    """Add an edge; if the user is hidden meanwhile, say so as for any other."""
    while True:
        try:
            return _add(viewer, user)
        except _Hidden:
            if not queries.is_visible(viewer["id"]):
                raise TokenRevoked from None
            user = _found_by_id({**viewer, "has_blocks": True}, user["id"])


def _add(viewer: Row, user: Row) -> Edge:
    created_at = clock.utcnow()
    try:
        with database.transaction() as transaction:
            # Here, not before: so it costs one statement, and counts what comes of it.
            throttle.count(transaction, Bucket("follow", (viewer["id"],)))
            ends = {"follower": viewer["id"], "following": user["id"]}
            added = transaction.execute(edges.ADD, **ends, created_at=created_at)
            if not added:
                raise UserNotFound
            transaction.defer(edges.COUNT, **ends, by=1)
            _refuse_above_the_limit(transaction, viewer["id"])
            transaction.defer(edges.FAIL_IF_HIDDEN, **ends, created_at=created_at)
    except RateLimited as refusal:
        security_log.record("throttled", viewer["id"], rate=refusal.rate)
        raise
    except IntegrityError as error:
        if is_violated(error, "uq_follows_follower_id_following_id"):
            raise AlreadyFollowing from error
        if is_violated(error, edges.NOT_ONESELF):
            raise _Hidden from error
        # The other possible failure is the reference to a user deleted meanwhile.
        raise UserNotFound from error
    return Edge(
        id=added[0]["id"],
        follower=viewer["id"],
        following=user["id"],
        follower_username=viewer["username"],
        following_username=user["username"],
        created_at=created_at,
    )


def _refuse_above_the_limit(transaction: Transaction, viewer_id: int) -> None:
    """Raise LimitReached if the viewer follows too many users by now.

    The counter has been locked by its change: of two follows at once one looks last.
    """
    most = current_app.config["FOLLOWS_MAX"]
    if most:
        (row,) = transaction.execute(edges.NUMBER_FOLLOWED, follower=viewer_id)
        if row["following_count"] > most:
            raise LimitReached


def ensure_following(viewer: Row, username: str) -> tuple[Edge, bool]:
    """Make the viewer follow a user, if that is not so already.

    Return the edge, and whether it is new. Raises UserNotFound, CannotFollowSelf,
    Blocking or, for an edge that is not there yet, LimitReached or RateLimited.
    """
    user = _unblocked(_other(viewer, queries.user_by_username(username, viewer)))
    while True:
        # Asked first: who wants nothing new is not limited.
        row = queries.edge(viewer["id"], user["id"])
        if row is not None:
            return Edge(**row), False
        with suppress(AlreadyFollowing):  # Another request of the viewer's was faster.
            return _follow(viewer, user), True


def unfollow(viewer: Row, username: str) -> str:
    """Make the viewer stop following a user; return the user's name as typed.

    Raises UserNotFound, CannotFollowSelf or NotFollowing.
    """
    name, was_following = ensure_not_following(viewer, username)
    if not was_following:
        raise NotFollowing
    return name


def ensure_not_following(viewer: Row, username: str) -> tuple[str, bool]:
    """Make the viewer not follow a user; return the user's name, and if that is new.

    Raises UserNotFound or CannotFollowSelf.
    """
    user = _other(viewer, queries.user_by_username(username, viewer))
    return user["username"], _end(viewer["id"], user["id"])


def remove_follower(viewer: Row, username: str) -> str:
    """Make a user stop following the viewer; return the user's name as typed.

    Raises UserNotFound, CannotFollowSelf or NotAFollower.
    """
    user = _other(viewer, queries.user_by_username(username, viewer))
    if not _end(user["id"], viewer["id"]):
        raise NotAFollower
    name: str = user["username"]
    return name


def _end(follower_id: int, following_id: int) -> bool:
    """Delete an edge; return whether there was one."""
    ends = {"follower": follower_id, "following": following_id}
    with database.transaction() as transaction:
        transaction.defer(edges.REMOVE_PARKED, **ends)
        removed = transaction.execute(edges.REMOVE, **ends)
        if removed:
            transaction.defer(edges.COUNT, **ends, by=-1)
        return bool(removed)


def _other(viewer: Row, user: Row | None) -> Row:
    if user is None:
        raise UserNotFound
    if user["id"] == viewer["id"]:
        raise CannotFollowSelf
    return user


def _unblocked(user: Row) -> Row:
    if user.get("is_blocking"):
        raise Blocking
    return user
