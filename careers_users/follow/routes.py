"""The calls of the social graph."""

from typing import Any

from flask import Blueprint, request

from careers_users.auth.identity import (
    anyone,
    may_lag,
    name_in_path,
    signed_in,
    viewer,
    viewer_id,
)
from careers_users.auth.schemas import MessageSchema
from careers_users.auth.throttle import RateLimited
from careers_users.follow import lists, queries, service
from careers_users.follow.pairs import LimitReached
from careers_users.follow.schemas import (
    CardsSchema,
    FollowingQuerySchema,
    FollowRowSchema,
    FollowRowsSchema,
    FollowSchema,
    FollowsQuerySchema,
    RelationshipsQuerySchema,
    RelationshipsSchema,
)
from careers_users.http.decorators import body, query, refuses, reply
from careers_users.profile import visibility
from careers_users.profile.service import UserNotFound
from careers_users.validation.cursor import Page
from careers_users.validation.limits import BASE_PATH

bp = Blueprint("follow", __name__, url_prefix=BASE_PATH)


@bp.post("/follow/")
@signed_in
@body(FollowSchema())
@refuses(
    UserNotFound,
    service.CannotFollowSelf,
    service.AlreadyFollowing,
    LimitReached,
    service.Blocking,
    RateLimited,
)
@reply(FollowRowSchema(), 201)
def follow(payload: dict[str, Any]) -> dict[str, Any]:
    """Follow a user, named by id or by username.

    Following twice is a 409; `PUT {username}/follow/` allows it.
    """
    if "username" in payload:
        return vars(service.follow_name(viewer(), payload["username"]))
    return vars(service.follow_id(viewer(), payload["following"]))


@bp.delete("/<username:username>/unfollow/")
@signed_in
@refuses(UserNotFound, service.CannotFollowSelf, service.NotFollowing)
@reply(MessageSchema(), example={"message": "Stopped following bob"})
def unfollow(username: str) -> dict[str, Any]:
    """Stop following a user.

    A 404 if you do not follow them; `DELETE {username}/follow/` allows that.
    """
    name = service.unfollow(viewer(), name_in_path(username))
    return {"message": f"Stopped following {name}"}


@bp.put("/<username:username>/follow/")
@signed_in
@refuses(
    UserNotFound,
    service.CannotFollowSelf,
    service.Blocking,
    LimitReached,
    RateLimited,
)
@reply(FollowRowSchema(), 201, also=(200,))
def ensure_following(username: str) -> tuple[dict[str, Any], int]:
    """Follow a user; 201 if that is new, 200 if you did already.

    To be repeated safely, for instance after a lost reply.
    """
    edge, is_new = service.ensure_following(viewer(), name_in_path(username))
    return vars(edge), 201 if is_new else 200


@bp.delete("/<username:username>/follow/")
@signed_in
@refuses(UserNotFound, service.CannotFollowSelf)
@reply(MessageSchema(), example={"message": "Stopped following bob"})
def ensure_not_following(username: str) -> dict[str, Any]:
    """Stop following a user, if you do.

    To be repeated safely, for instance after a lost reply.
    """
    name, is_new = service.ensure_not_following(viewer(), name_in_path(username))
    message = f"Stopped following {name}" if is_new else f"You don't follow {name}"
    return {"message": message}


@bp.delete("/me/followers/<username:username>/")
@signed_in
@refuses(UserNotFound, service.CannotFollowSelf, service.NotAFollower)
@reply(MessageSchema(), example={"message": "bob does not follow you any more"})
def remove_follower(username: str) -> dict[str, Any]:
    """Make a user stop following you; they may follow you again.

    The user is not told.
    """
    name = service.remove_follower(viewer(), name_in_path(username))
    return {"message": f"{name} does not follow you any more"}


@bp.get("/relationships/")
@signed_in
@query(RelationshipsQuerySchema())
@reply(RelationshipsSchema())
@may_lag
def get_relationships(query: dict[str, Any]) -> dict[str, Any]:
    """Tell of each of these users how you and they stand.

    In the order of the question. `followed_at` is `null` for those whom you do not
    follow, `muted_until` for those whom you do not mute, or mute for good.
    """
    return {"results": queries.relationships(visibility.caller(), query["ids"])}


@bp.get("/following/")
@signed_in
@query(FollowingQuerySchema())
@reply(FollowRowsSchema())
@may_lag
def list_own_following(query: dict[str, Any]) -> dict[str, Any]:
    """List whom you follow, newest first.

    With `muted=exclude`, without those whom you mute. Follow `next` until it is `null`:
    each step costs the same, and each edge is met once.
    """
    return _list(lists.edges(viewer_id(), "following", query), query)


@bp.get("/followers/")
@signed_in
@query(FollowsQuerySchema())
@reply(FollowRowsSchema())
@may_lag
def list_own_followers(query: dict[str, Any]) -> dict[str, Any]:
    """List who follows you, newest first.

    Follow `next` until it is `null`: each step costs the same, and each edge is met
    once.
    """
    return _list(lists.edges(viewer_id(), "followers", query), query)


@bp.get("/<username:username>/followers/")
@anyone
@query(FollowsQuerySchema())
@refuses(UserNotFound)
@reply(CardsSchema())
@may_lag
def list_followers(username: str, query: dict[str, Any]) -> dict[str, Any]:
    """List a user's followers, newest first; `me` is yourself.

    Follow `next` until it is `null`: each step costs the same, and each user is met
    once.
    """
    name = name_in_path(username)
    found = lists.cards(name, "followers", query, visibility.caller())
    return _list(found, query)


@bp.get("/<username:username>/following/")
@anyone
@query(FollowingQuerySchema())
@refuses(UserNotFound)
@reply(CardsSchema())
@may_lag
def list_following(username: str, query: dict[str, Any]) -> dict[str, Any]:
    """List whom a user follows, newest first; `me` is yourself.

    With `muted=exclude`, without those whom you mute: what a feed is made of. Follow
    `next` until it is `null`: each step costs the same, and each user is met once.
    """
    name = name_in_path(username)
    found = lists.cards(name, "following", query, visibility.caller())
    return _list(found, query)


def _list(found: tuple[int, Page] | None, query: dict[str, Any]) -> dict[str, Any]:
    if found is None:
        raise UserNotFound
    count, page = found
    more = "&muted=exclude" if query.get("muted") else ""
    return {"count": count, **page.reply(request.path, query["batch_size"], more)}
