"""The profile calls."""

from math import ceil
from typing import Any

from flask import Blueprint

from careers_users.auth.device import device
from careers_users.auth.identity import (
    anyone,
    may_lag,
    name_in_path,
    signed_in,
    signed_in_with,
    viewer,
    viewer_claims,
)
from careers_users.auth.registration import EmailTaken
from careers_users.auth.step_up import ConfirmationRequired
from careers_users.auth.throttle import RateLimited
from careers_users.http.decorators import body, query, refuses, reply
from careers_users.profile import queries, service, visibility
from careers_users.profile.directory import batch
from careers_users.profile.schemas import (
    DirectoryQuerySchema,
    DirectorySchema,
    OwnProfileSchema,
    ProfileSchema,
    StatsSchema,
    UpdatedSchema,
    UpdateSchema,
)
from careers_users.profile.search_places import SearchBusy, SearchTimedOut
from careers_users.profile.service import UserNotFound
from careers_users.validation.limits import BASE_PATH

bp = Blueprint("profile", __name__, url_prefix=BASE_PATH)


@bp.get("/")
@anyone
@query(DirectoryQuerySchema())
@refuses(SearchBusy, SearchTimedOut)
@reply(DirectorySchema())
@may_lag
def list_users(query: dict[str, Any]) -> dict[str, Any]:
    """List and search users.

    All parameters that are given must match. With a token, `is_following` says whether
    you follow a user.
    """
    cards, total = batch(visibility.caller(), query)
    return {
        "message": "Users retrieved successfully",
        "users": [dict(card) for card in cards],
        "batch_info": {
            "current_batch": query["batch_number"],
            "batch_size": query["batch_size"],
            "total_users": total,
            "total_batches": ceil(total / query["batch_size"]),
            "users_in_current_batch": len(cards),
        },
    }


@bp.get("/<username:username>/")
@anyone
@refuses(UserNotFound)
@reply(ProfileSchema())
@may_lag
def get_profile(username: str) -> dict[str, Any]:
    """Get a user's public profile.

    The name is found whatever its case; `me` is yourself.
    """
    row = queries.profile(name_in_path(username), visibility.caller())
    if row is None:
        raise UserNotFound
    return dict(row)


@bp.get("/me/")
@signed_in_with(queries.OWN_PROFILE)
@reply(OwnProfileSchema())
def get_own_profile() -> dict[str, Any]:
    """Get your own profile.

    Unlike the profile that others see, it has your e-mail address.
    """
    return dict(viewer())


@bp.patch("/me/update/")
@bp.patch("/me/", endpoint="patch_me")
@signed_in
@body(UpdateSchema())
@refuses(EmailTaken, ConfirmationRequired, RateLimited)
@reply(UpdatedSchema())
def update_profile(payload: dict[str, Any]) -> dict[str, Any]:
    """Change any of your names, bio, avatar and e-mail address.

    Fields that are left out stay as they are. Where a new address has to be confirmed,
    `email` is still the old one in the reply, and mail goes to both.
    """
    return dict(service.update_profile(viewer_claims(), payload, device()))


@bp.get("/me/stats/")
@signed_in
@reply(StatsSchema())
def get_own_stats() -> dict[str, Any]:
    """Get your own statistics.

    Posts, likes and comments are those that the posts service has reported.
    """
    return _stats(viewer()["username"])


@bp.get("/<username:username>/stats/")
@anyone
@refuses(UserNotFound)
@reply(StatsSchema())
@may_lag
def get_stats(username: str) -> dict[str, Any]:
    """Get a user's statistics.

    Posts, likes and comments are those that the posts service has reported.
    """
    return _stats(name_in_path(username))


def _stats(username: str) -> dict[str, Any]:
    row = queries.stats(username, visibility.caller())
    if row is None:
        raise UserNotFound
    return dict(row)
