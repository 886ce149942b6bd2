"""The calls about a whole account."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, json, request, stream_with_context

from careers_users import clock
from careers_users.account import password, queries, service
from careers_users.account.schemas import (
    AccountExportSchema,
    ActivityQuerySchema,
    ActivitySchema,
    ChangePasswordSchema,
    CloseSchema,
    SecuritySchema,
)
from careers_users.auth.device import device
from careers_users.auth.identity import (
    signed_in,
    signed_in_with,
    viewer,
    viewer_claims,
    viewer_id,
)
from careers_users.auth.password_hashing import UNUSABLE, HashingBusy
from careers_users.auth.schemas import MessageSchema, TokensSchema
from careers_users.auth.step_up import WrongPassword
from careers_users.auth.throttle import RateLimited
from careers_users.http.decorators import body, query, refuses, reply
from careers_users.http.errors import TokenRevoked
from careers_users.validation.limits import BASE_PATH

bp = Blueprint("account", __name__, url_prefix=BASE_PATH)


@bp.delete("/me/")
@signed_in
@body(CloseSchema())
@refuses(WrongPassword, HashingBusy, RateLimited)
@reply(MessageSchema(), example={"message": "Account deleted"})
def delete_account(payload: dict[str, Any]) -> dict[str, Any]:
    """Delete your account for good, with all that is held about you.

    Follows, sessions and activity go with it. The username stays reserved for a while.
    """
    service.close(viewer_claims(), payload["password"], device())
    return {"message": "Account deleted"}


@bp.get("/me/activity/")
@signed_in
@query(ActivityQuerySchema())
@reply(ActivitySchema())
def list_activity(query: dict[str, Any]) -> dict[str, Any]:
    """List what happened to your account, newest first.

    Follow `next` until it is `null`. Entries are stored for 90 days unless the operator
    says otherwise.
    """
    page = queries.activity(viewer_id(), query)
    return page.reply(request.path, query["batch_size"])


@bp.get("/me/security/")
@signed_in_with(queries.OWN_SECURITY)
@reply(SecuritySchema())
def get_security() -> dict[str, Any]:
    """Get how your account is secured, and whether mail reaches you.

    Your password, whether your address is verified, and an address that waits to be
    confirmed.
    """
    row = viewer()
    return {
        "has_password": not row["password_hash"].startswith(UNUSABLE),
        "email_verified": row["email_verified_at"] is not None,
        "mail_failed": row["mail_failed_at"] is not None,
        "pending_email": row["pending_email"],
    }


@bp.get("/me/export/")
@signed_in
@reply(AccountExportSchema())
def export_account() -> Response:
    """Get everything that is held about you, as one JSON document.

    Account, sessions, followers, followed, blocks, mutes, activity and mail; it may be
    long.
    """
    person = queries.person(viewer_id())
    if person is None:
        raise TokenRevoked
    service.note_export(person["id"], device())
    response = Response(
        stream_with_context(_export(person)), mimetype="application/json"
    )
    response.headers["Content-Disposition"] = 'attachment; filename="export.json"'
    return response


def _export(person: dict[str, Any]) -> Iterator[str]:
    """Yield the document in pieces, as it is read: it may have a million edges."""
    user_id = person["id"]
    lists = {
        "sessions": queries.sessions(user_id),
        "followers": queries.pairs(user_id, "followers"),
        "following": queries.pairs(user_id, "following"),
        "blocks": queries.pairs(user_id, "blocks"),
        "mutes": queries.pairs(user_id, "mutes"),
        "activity": queries.events(user_id),
        "mails": queries.mails(user_id),
    }
    head = json.dumps({"exported_at": clock.utcnow(), "account": person})
    yield head.removesuffix("}")
    for name, rows in lists.items():
        yield f',"{name}":['
        yield from _separated(rows)
        yield "]"
    yield "}"


def _separated(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    batch: list[str] = []
    separator = ""
    for row in rows:
        batch.append(json.dumps(row))
        if len(batch) == queries.EXPORT_BATCH:
            yield separator + ",".join(batch)
            batch, separator = [], ","
    if batch:
        yield separator + ",".join(batch)


@bp.post("/me/password/")
@signed_in
@body(ChangePasswordSchema())
@refuses(password.WrongPassword, HashingBusy, RateLimited)
@reply(TokensSchema())
def change_password(payload: dict[str, Any]) -> dict[str, Any]:
    """Change your password; every session ends, and a new one begins.

    The reply has the tokens of the new session. A wrong `old_password` is a 400, since
    the token is good.
    """
    tokens = password.change(
        viewer_claims(), payload["old_password"], payload["password"], device()
    )
    return {"access": tokens.access, "refresh": tokens.refresh}
