"""What people do to each other in the graph: follow and unfollow."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Table, bindparam, case, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from careers_users import clock, database
from careers_users.auth import throttle
from careers_users.auth.throttle import Bucket, RateLimited
from careers_users.database import Query, Row
from careers_users.database.errors import is_violated
from careers_users.follow import queries
from careers_users.http.errors import ServiceError
from careers_users.models import Follow, User, UserCounters
from careers_users.observability import security_log
from careers_users.profile.service import UserNotFound


class CannotFollowSelf(ServiceError):
    """Nobody follows, or unfollows, themselves."""

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


# Made once, and of tables: making them anew, and the ORM's part in running them, was
# most of a follow's time.
_edges = cast(Table, Follow.__table__)
_counters = cast(Table, UserCounters.__table__)
_users = cast(Table, User.__table__)
# What stands in a list, or is added, has no type by what is beside it.
_ID, _NAMES = Follow.follower_id.type, ("follower", "following")
_USER_IDS = [bindparam(name, type_=_ID) for name in _NAMES]
_CREATED_AT = bindparam("created_at", type_=Follow.created_at.type)
# Without a reference to an account that is being deleted, which would wait for it.
_ADD = Query(
    insert(_edges)
    .from_select(
        ["follower_id", "following_id", "created_at"],
        select(*_USER_IDS, _CREATED_AT).where(
            ~exists()
            .where(_users.c.id.in_(_USER_IDS))
            .where(_users.c.closing_until > _CREATED_AT)
        ),
    )
    .returning(_edges.c.id)
)
_REMOVE = Query(
    delete(_edges)
    .where(_edges.c.follower_id == bindparam("follower"))
    .where(_edges.c.following_id == bindparam("following"))
    .returning(_edges.c.id)
)
# In ascending user id: two people who follow each other at once would otherwise each
# hold the row that the other waits for. SQLite knows no FOR UPDATE, and needs none.
_ENDS = (
    select(_counters.c.user_id)
    .where(_counters.c.user_id.in_(_USER_IDS))
    .order_by(_counters.c.user_id)
    .with_for_update()
)
_COUNT = Query(
    update(_counters)
    .where(_counters.c.user_id.in_(_ENDS))
    .values(
        {
            counter: counter
            + case(
                (_counters.c.user_id == bindparam(end), bindparam("by", type_=_ID)),
                else_=0,
            )
            for end, counter in (
                ("follower", _counters.c.following_count),
                ("following", _counters.c.followers_count),
            )
        }
        | {_counters.c.changed_at: clock.database_now()}
    )
)


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
    """Make the viewer follow the user of that number; otherwise as `follow_name`."""
    return _follow(viewer, queries.user_by_id(user_id))


def follow_name(viewer: Row, username: str) -> Edge:
    """Make the viewer follow the user of that name.

    Raises UserNotFound, CannotFollowSelf, AlreadyFollowing or RateLimited.
    """
    return _follow(viewer, queries.user_by_username(username))


def _follow(viewer: Row, user: Row | None) -> Edge:
    user = _other(viewer, user)
    created_at = clock.utcnow()
    try:
        with database.transaction() as transaction:
            # Here, not before: so it costs one statement, and counts what comes of it.
            throttle.count(transaction, Bucket("follow", (viewer["id"],)))
            ends = {"follower": viewer["id"], "following": user["id"]}
            added = transaction.execute(_ADD, **ends, created_at=created_at)
            if not added:
                raise UserNotFound
            transaction.defer(_COUNT, **ends, by=1)
    except RateLimited as refusal:
        security_log.record("throttled", viewer["id"], rate=refusal.rate)
        raise
    except IntegrityError as error:
        if is_violated(error, "uq_follows_follower_id_following_id"):
            raise AlreadyFollowing from error
        # What else can fail is the reference to a user deleted meanwhile.
        raise UserNotFound from error
    return Edge(
        id=added[0]["id"],
        follower=viewer["id"],
        following=user["id"],
        follower_username=viewer["username"],
        following_username=user["username"],
        created_at=created_at,
    )


def ensure_following(viewer: Row, username: str) -> tuple[Edge, bool]:
    """Make the viewer follow a user, if that is not so already.

    Return the edge, and whether it is new. Raises UserNotFound, CannotFollowSelf or,
    for an edge that is not there yet, RateLimited.
    """
    user = _other(viewer, queries.user_by_username(username))
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
    user = _other(viewer, queries.user_by_username(username))
    return user["username"], _end(viewer["id"], user["id"])


def remove_follower(viewer: Row, username: str) -> str:
    """Make a user stop following the viewer; return the user's name as typed.

    Raises UserNotFound, CannotFollowSelf or NotAFollower.
    """
    user = _other(viewer, queries.user_by_username(username))
    if not _end(user["id"], viewer["id"]):
        raise NotAFollower
    name: str = user["username"]
    return name


def _end(follower_id: int, following_id: int) -> bool:
    """Delete an edge; tell whether there was one."""
    ends = {"follower": follower_id, "following": following_id}
    with database.transaction() as transaction:
        removed = transaction.execute(_REMOVE, **ends)
        if removed:
            transaction.defer(_COUNT, **ends, by=-1)
        return bool(removed)


def _other(viewer: Row, user: Row | None) -> Row:
    if user is None:
        raise UserNotFound
    if user["id"] == viewer["id"]:
        raise CannotFollowSelf
    return user


# ----------------------------------------------------------------------------- recount
