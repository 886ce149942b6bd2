"""The reads of users: profiles, numbers, and the columns of a card."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import Select, bindparam, literal_column, select

from careers_users.auth.queries import VIEWER
from careers_users.database import Query, Row
from careers_users.models import Follow, User, UserCounters
from careers_users.profile import visibility
from careers_users.profile.visibility import Caller
from careers_users.validation.usernames import is_username

_IS_FOLLOWING = visibility.asked_each_time(
    select(literal_column("1"))
    .select_from(Follow)
    .where(Follow.follower_id == bindparam("viewer_id"))
    .where(Follow.following_id == User.id)
    .correlate(User)
).label("is_following")

# The columns of a card; lists of followers show the same (contract: card).
CARD = (
    User.id,
    User.username,
    User.first_name,
    User.last_name,
    User.avatar,
    _IS_FOLLOWING,
)

_PROFILE_OF = (
    select(
        User.id,
        User.username,
        User.first_name,
        User.last_name,
        User.bio,
        User.avatar,
        User.created_at,
        UserCounters.posts_count,
        UserCounters.followers_count,
        UserCounters.following_count,
    )
    .join(UserCounters, UserCounters.user_id == User.id)
    .where(User.username_key == bindparam("key"))
)
# A user's own profile: read with the check of their token.
OWN_PROFILE = VIEWER.join(
    UserCounters, UserCounters.user_id == User.id
).with_only_columns(
    User.id,
    User.username,
    User.email,
    User.first_name,
    User.last_name,
    User.bio,
    User.avatar,
    User.created_at,
    User.updated_at,
    UserCounters.posts_count,
    UserCounters.followers_count,
    UserCounters.following_count,
)
_STATS_OF = (
    select(
        UserCounters.posts_count,
        UserCounters.followers_count,
        UserCounters.following_count,
        UserCounters.likes_received,
        UserCounters.comments_received,
    )
    .join(User, User.id == UserCounters.user_id)
    .where(User.username_key == bindparam("key"))
)


def _visible(statement: Select[*tuple[Any, ...]], *, has_blocks: bool) -> Query:
    return Query(statement.where(*visibility.by_name(has_blocks=has_blocks)))


_PROFILE = visibility.both(partial(_visible, _PROFILE_OF))
_STATS = visibility.both(partial(_visible, _STATS_OF))


def profile(username: str, caller: Caller) -> Row | None:
    """Return what the viewer sees of a user, whatever the name's case."""
    return _by_username(_PROFILE, username, caller)


def stats(username: str, caller: Caller) -> Row | None:
    """Return a user's numbers, whatever the name's case."""
    return _by_username(_STATS, username, caller)


def _by_username(
    queries: Mapping[bool, Query], username: str, caller: Caller
) -> Row | None:
    # No user has what can't be a name; the database need not be asked.
    if not is_username(username):
        return None
    return queries[caller.has_blocks].one(key=username.lower(), viewer_id=caller.id)
