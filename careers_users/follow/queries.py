"""Reads of the graph: users by name or number, an edge, how two users stand."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, false, or_, select
from sqlalchemy.orm import aliased

from careers_users import clock
from careers_users.database import Query, Row
from careers_users.models import Follow, Mute, User
from careers_users.profile import visibility
from careers_users.profile.visibility import Caller
from careers_users.validation.usernames import is_username

_BY_USERNAME = User.username_key == bindparam("key")
_BY_ID = User.id == bindparam("user_id")


def _user(by: ColumnElement[bool], *, has_blocks: bool) -> Query:
    columns: list[Any] = [User.id, User.username]
    if has_blocks:
        columns.append(visibility.viewer_blocks(User.id).label("is_blocking"))
    return Query(select(*columns).where(by, *visibility.by_name(has_blocks=has_blocks)))


_USER_BY_USERNAME = visibility.both(partial(_user, _BY_USERNAME))
_USER_BY_ID = visibility.both(partial(_user, _BY_ID))
_IS_VISIBLE = Query(select(User.id).where(_BY_ID, visibility.is_not_suspended()))

_FOLLOWER = aliased(User)
_FOLLOWING = aliased(User)
_EDGE = Query(
    select(
        Follow.id,
        Follow.follower_id.label("follower"),
        Follow.following_id.label("following"),
        _FOLLOWER.username.label("follower_username"),
        _FOLLOWING.username.label("following_username"),
        Follow.created_at,
    )
    .join(_FOLLOWER, _FOLLOWER.id == Follow.follower_id)
    .join(_FOLLOWING, _FOLLOWING.id == Follow.following_id)
    .where(Follow.follower_id == bindparam("follower_id"))
    .where(Follow.following_id == bindparam("following_id"))
)

# By the clock: no row has to change when a mute ends.
IS_MUTE_ON = or_(
    Mute.muted_until.is_(None),
    Mute.muted_until > bindparam("now", type_=Mute.muted_until.type),
)

_THERE = aliased(Follow)
_BACK = aliased(Follow)
_VIEWER_ID = bindparam("viewer_id", type_=User.id.type)


def _relationships(*, has_blocks: bool) -> Query:
    is_blocking = visibility.viewer_blocks(User.id) if has_blocks else false()
    return Query(
        select(
            User.id,
            _THERE.id.is_not(None).label("following"),
            _BACK.id.is_not(None).label("followed_by"),
            _THERE.created_at.label("followed_at"),
            is_blocking.label("blocking"),
            Mute.id.is_not(None).label("muting"),
            Mute.muted_until,
        )
        .outerjoin(
            _THERE,
            and_(_THERE.follower_id == _VIEWER_ID, _THERE.following_id == User.id),
        )
        .outerjoin(
            _BACK,
            and_(_BACK.follower_id == User.id, _BACK.following_id == _VIEWER_ID),
        )
        .outerjoin(
            Mute,
            and_(
                Mute.muter_id == _VIEWER_ID,
                Mute.muted_id == User.id,
                IS_MUTE_ON,
            ),
        )
        .where(User.id.in_(bindparam("ids", expanding=True)))
        .where(*visibility.by_name(has_blocks=has_blocks))
    )


_RELATIONSHIPS = visibility.both(_relationships)


def user_by_id(user_id: int, viewer: Row) -> Row | None:
    """Return id and username of a user whom the viewer may meet.

    With `is_blocking`, if the viewer has blocks: whether one is of this user.
    """
    query = _USER_BY_ID[viewer["has_blocks"]]
    return query.one(user_id=user_id, viewer_id=viewer["id"])


def user_by_username(username: str, viewer: Row) -> Row | None:
    """Return what `user_by_id` does for the user of a name, whatever its case."""
    if not is_username(username):
        return None
    query = _USER_BY_USERNAME[viewer["has_blocks"]]
    return query.one(key=username.lower(), viewer_id=viewer["id"])


def is_visible(user_id: int) -> bool:
    """Return whether there is a user of that number who is not suspended."""
    return _IS_VISIBLE.one(user_id=user_id) is not None


def edge(follower_id: int, following_id: int) -> Row | None:
    """Return the edge between two users, with the names at its ends."""
    return _EDGE.one(follower_id=follower_id, following_id=following_id)


def relationships(caller: Caller, user_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return how the viewer and each of these users stand, in the order of the ids.

    In one statement. Ids of no user, or of one who is hidden, are left out.
    """
    if not user_ids:
        return []
    rows = _RELATIONSHIPS[caller.has_blocks].all(
        viewer_id=caller.id, ids=user_ids, now=clock.utcnow()
    )
    found = {row["id"]: row for row in rows}
    return [dict(found[user_id]) for user_id in user_ids if user_id in found]
