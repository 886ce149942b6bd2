"""The calls of blocks and mutes."""

from typing import Any

from flask import Blueprint, request

from careers_users.auth.identity import may_lag, name_in_path, signed_in, viewer
from careers_users.auth.link_schemas import NothingSchema
from careers_users.auth.schemas import MessageSchema
from careers_users.auth.throttle import RateLimited
from careers_users.follow import blocks, mutes
from careers_users.follow.block_schemas import (
    BlocksQuerySchema,
    BlocksSchema,
    MutedSchema,
    MuteSchema,
    MutesQuerySchema,
    MutesSchema,
)
from careers_users.follow.pair_lists import List, cursor_owner, listed
from careers_users.follow.pairs import CannotTargetSelf, LimitReached
from careers_users.http.decorators import optional_body, query, refuses, reply
from careers_users.http.errors import ValidationFailed
from careers_users.profile import visibility
from careers_users.profile.service import UserNotFound
from careers_users.validation.cursor import NOT_A_CURSOR
from careers_users.validation.limits import BASE_PATH

bp = Blueprint("blocks", __name__, url_prefix=BASE_PATH)


@bp.put("/<username:username>/block/")
@signed_in
@optional_body(NothingSchema())
@refuses(UserNotFound, CannotTargetSelf, LimitReached, RateLimited)
@reply(MessageSchema(), example={"message": "Blocked bob"})
def block(username: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Block a user; to be repeated safely.

    You and they no longer meet in lists, and follow each other no longer. They are not
    told, and find your profile no more.
    """
    del payload
    name = blocks.block(viewer(), name_in_path(username))
    return {"message": f"Blocked {name}"}


@bp.delete("/<username:username>/block/")
@signed_in
@optional_body(NothingSchema())
@refuses(UserNotFound, CannotTargetSelf)
@reply(MessageSchema(), example={"message": "Unblocked bob"})
def unblock(username: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Take a block back; to be repeated safely.

    The follows that the block ended do not come back.
    """
    del payload
    name = blocks.unblock(viewer(), name_in_path(username))
    return {"message": f"Unblocked {name}"}


@bp.put("/<username:username>/mute/")
@signed_in
@optional_body(MuteSchema())
@refuses(UserNotFound, CannotTargetSelf, LimitReached, RateLimited)
@reply(MutedSchema())
def mute(username: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Mute a user for a while, or for good; again sets the new time.

    A mute hides no one: it marks users whom your feeds leave out. They can't find out.
    """
    name, until = mutes.mute(viewer(), name_in_path(username), payload["duration"])
    return {"message": f"Muted {name}", "muted_until": until}


@bp.delete("/<username:username>/mute/")
@signed_in
@optional_body(NothingSchema())
@refuses(UserNotFound, CannotTargetSelf)
@reply(MutedSchema(), example={"message": "Unmuted bob", "muted_until": None})
def unmute(username: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Take a mute back; to be repeated safely.

    Your feeds show the user again.
    """
    del payload
    name = mutes.unmute(viewer(), name_in_path(username))
    return {"message": f"Unmuted {name}", "muted_until": None}


@bp.get("/me/blocks/")
@signed_in
@query(BlocksQuerySchema())
@reply(BlocksSchema())
@may_lag
def list_blocks(query: dict[str, Any]) -> dict[str, Any]:
    """List whom you block, newest first.

    Follow `next` until it is `null`.
    """
    return _own("blocks", query)


@bp.get("/me/mutes/")
@signed_in
@query(MutesQuerySchema())
@reply(MutesSchema())
@may_lag
def list_mutes(query: dict[str, Any]) -> dict[str, Any]:
    """List whom you mute, newest first.

    `muted_until` is `null` for those whom you mute for good. Follow `next` until it is
    `null`.
    """
    return _own("mutes", query)


def _own(of: List, query: dict[str, Any]) -> dict[str, Any]:
    caller, cursor = visibility.caller(), query["cursor"]
    if cursor is not None and cursor.of != cursor_owner(of, caller.id):
        raise ValidationFailed({"cursor": [NOT_A_CURSOR]})
    count, page = listed(of, caller, query)
    return {"count": count, **page.reply(request.path, query["batch_size"])}
