"""The service that owns posts, as the tests play it."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert

from careers_users import clock
from careers_users.models import ActivityEvent, ActivityMark
from tests.api import Api, Reply

TOKENS = ("the-first-token-of-the-service-of-posts", "and-the-next-one-for-a-rotation.")
SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
SOURCE = "https://posts.example.com/"
START = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
_numbers = itertools.count(1)


def at(second: float) -> str:
    """Return a time, that many seconds after the first."""
    return (START + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")


def event(
    type_: str,
    author: int | str,
    second: float = 0,
    id_: str | None = None,
    **data: Any,
) -> dict[str, Any]:
    """Return an event about an author, named by number or username."""
    name = "author_id" if isinstance(author, int) else "author_username"
    return {
        "specversion": "1.0",
        "id": f"event-{next(_numbers)}" if id_ is None else id_,
        "source": SOURCE,
        "type": type_,
        "time": at(second),
        "data": {name: author, **data},
    }


def send(api: Api, body: Any, token: str | None = TOKENS[0], **options: Any) -> Reply:
    """POST an event, or a list of them as a batch; bytes as they are."""
    content_type = SINGLE if isinstance(body, dict) else BATCH
    return api.post(
        "events/",
        data=body if isinstance(body, bytes) else json.dumps(body),
        content_type=options.pop("content_type", content_type),
        token=token,
        **options,
    )


def statuses(reply: Reply) -> list[str]:
    """Return the status of each event."""
    assert reply.status_code == 200, reply.text
    return [result["status"] for result in reply.json["results"]]


def numbers(api: Api, username: str) -> list[int]:
    """Return a user's posts, likes and comments."""
    stats = api.get(f"{username}/stats/").json
    names = ("posts_count", "likes_received", "comments_received")
    return [stats[name] for name in names]


def leave_rows(engine: Engine, user_id: int) -> None:
    """Leave a row in each of the tables of events."""
    with engine.begin() as connection:
        event = {"source": SOURCE, "id": "1", "received_at": clock.utcnow()}
        connection.execute(insert(ActivityEvent), event)
        mark = {"user_id": user_id, "counter": "posts_count", "debt": 1}
        connection.execute(insert(ActivityMark), mark)
