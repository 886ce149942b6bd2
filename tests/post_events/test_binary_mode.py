"""CloudEvents' binary mode: the attributes in headers, the data as the body."""

import json
from typing import Any

import pytest

from careers_users.post_events.intake import BATCH, SINGLE
from tests.api import Account, Api, Reply
from tests.post_events.posts_service import event, numbers, send, statuses


def headers_of(one: dict[str, Any]) -> dict[str, str]:
    """Return an event's attributes as headers."""
    return {f"ce-{name}": value for name, value in one.items() if name != "data"}


def send_binary(api: Api, one: dict[str, Any], **headers: str) -> Reply:
    """POST an event as the SDKs do by default."""
    return send(
        api,
        json.dumps(one["data"]).encode(),
        content_type="application/json",
        headers=headers_of(one) | headers,
    )


def test_it_counts_like_the_other_modes(api: Api, alice: Account) -> None:
    one = event("post.created", alice.id)
    assert statuses(send_binary(api, one)) == ["applied"]
    # It is one event, whatever the form it travels in.
    assert statuses(send_binary(api, one)) == ["duplicate"]
    assert statuses(send(api, one)) == ["duplicate"]
    assert statuses(send(api, [one, event("like.added", alice.id)])) == [
        *("duplicate", "applied")
    ]
    assert numbers(api, "alice") == [1, 1, 0]


def test_headers_are_percent_encoded(api: Api, alice: Account) -> None:
    one = event("post.created", alice.id) | {"id": "caf%C3%A9"}
    assert send_binary(api, one).json["results"][0]["id"] == "café"


def test_extensions_are_ignored(api: Api, alice: Account) -> None:
    one = event("post.created", alice.id)
    headers = {"ce-traceparent": "00-1-2-3", "ce-data": "x"}
    assert statuses(send_binary(api, one, **headers)) == ["applied"]


@pytest.mark.parametrize("missing", ["id", "source", "type", "time"])
def test_missing_things_are_reported(api: Api, alice: Account, missing: str) -> None:
    one = event("post.created", alice.id)
    del one[missing]
    (result,) = send_binary(api, one).json["results"]
    assert result["status"] == "invalid"
    assert missing in result["reason"]


def test_a_415_names_all_that_is_taken(api: Api, alice: Account) -> None:
    one = event("post.created", alice.id)
    for content_type in ("application/json", "text/plain"):
        reply = send(api, one, content_type=content_type)
        assert reply.status_code == 415
        for name in (SINGLE, BATCH, "application/json", "ce-id"):
            assert name in reply.json["error"]
