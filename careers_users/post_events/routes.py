"""The call of the service that owns posts."""

from typing import Any

from flask import Blueprint

from careers_users.http.decorators import refuses, reply
from careers_users.post_events import service
from careers_users.post_events.intake import (
    NotCloudEvents,
    TooManyEvents,
    events,
    sister_service,
)
from careers_users.post_events.schemas import ActivityEventSchema, OutcomesSchema, read
from careers_users.validation.limits import BASE_PATH

bp = Blueprint("activity", __name__, url_prefix=BASE_PATH)


@bp.post("/events/")
@sister_service
@events(ActivityEventSchema())
@refuses(NotCloudEvents, TooManyEvents)
@reply(OutcomesSchema())
def report_events(payload: list[Any]) -> dict[str, Any]:
    """Take in what happened to posts: one CloudEvent, or a batch of them.

    Also in CloudEvents' binary mode: the attributes in headers (`ce-id`, ...), the data
    as an `application/json` body. Each event counts once, whatever the order and
    however often it is sent. The reply says what became of each.
    """
    results = service.take([read(item) for item in payload])
    service.report(results)
    return {"results": results}
