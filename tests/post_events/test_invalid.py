"""POST events/: in a batch each event stands alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from marshmallow import ValidationError

from careers_users.post_events.schemas import (
    EventTime,
)
from careers_users.validation.limits import EVENT_WORD_MAX, EVENTS_MAX, ID_MAX
from tests.api import Account, Api
from tests.post_events.posts_service import SOURCE, event, numbers, send, statuses


def test_an_unknown_user_is_reported_and_the_event_can_come_again(
    api: Api, alice: Account
) -> None:
    early = event("post.created", "newcomer")
    batch = [
        early,
        event("post.created", alice.id),
        event("post.created", ID_MAX),
        event("post.created", "no such form"),
    ]
    expected = ["unknown_user", "applied", "unknown_user", "unknown_user"]
    assert statuses(send(api, batch)) == expected
    # It was not written down: when there is such a user it counts.
    api.register("newcomer")
    assert statuses(send(api, batch)) == [
        "applied",
        "duplicate",
        "unknown_user",
        "unknown_user",
    ]
    assert numbers(api, "newcomer") == [1, 0, 0]
    assert numbers(api, "alice") == [1, 0, 0]


def test_an_item_that_is_no_event_is_invalid_and_spoils_no_other(
    api: Api, alice: Account
) -> None:
    good = event("post.created", alice.id)
    spoilt: dict[str, list[Any]] = {
        "specversion": ["0.3", 1.0, None],
        "id": ["", None, 7, "x" * (EVENT_WORD_MAX + 1), "a\x00b"],
        "source": ["", None, [], "a\x00b"],
        "type": ["post.updated", "", None, "Post.Created"],
        "time": [
            *("", None, "yesterday", "2024-01-15", "2024-01-15T10:30:00", 1705314600),
            *("2024-13-15T10:30:00Z", "1969-12-31T23:59:59Z", "2024-01-15T10:30:60Z"),
            *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"),
        ],
        "subject": ["", 7],
        "data": [
            *(None, [], "alice", {}, {"author_id": alice.id, "likes": 1}),
            *({"author_id": id_} for id_ in (0, -1, True, 1.0, "1", ID_MAX + 1, None)),
            *({"author_username": name} for name in ("", 7, None, "a\x00b", "x" * 31)),
            {"author_id": alice.id, "author_username": "alice"},
            {"author_id": alice.id, "posts_count": 1},
        ],
    }
    bad = [
        {**good, "id": f"bad-{name}-{number}", name: value}
        for name, values in spoilt.items()
        for number, value in enumerate(values)
    ]
    bad += [{k: v for k, v in good.items() if k != name} for name in good]
    items = [*bad, None, 1, "x", [], [good], True]
    for start in range(0, len(items), EVENTS_MAX - 1):
        part = items[start : start + EVENTS_MAX - 1]
        fresh = event("post.created", alice.id)
        reply = send(api, [*part, fresh])
        assert statuses(reply) == ["invalid"] * len(part) + ["applied"]
        for result in reply.json["results"][:-1]:
            assert result["reason"], result
    assert numbers(api, "alice") == [len(range(0, len(items), EVENTS_MAX - 1)), 0, 0]
    # It was not written down, so it may come again as it should be.
    assert statuses(send(api, good)) == ["applied"]


def test_the_reason_says_where_and_what(api: Api, alice: Account) -> None:
    bad = event("post.created", 0, id_="it")
    result = send(api, bad).json["results"][0]
    assert (result["source"], result["id"]) == (SOURCE, "it")
    assert result["reason"] == f"data.author_id: Must be from 1 to {ID_MAX}."
    result = send(api, {"id": 7}).json["results"][0]
    assert (result["source"], result["id"]) == (None, None)
    assert "source: Missing data for required field." in result["reason"]
    result = send(api, event("counts.set", alice.id)).json["results"][0]
    assert result["reason"] == "data: counts.set has numbers, and nothing else has."


def test_attributes_that_are_extensions_are_allowed(api: Api, alice: Account) -> None:
    extended = event("post.created", alice.id) | {
        "subject": "posts/17",
        "datacontenttype": "application/json",
        "dataschema": "https://posts.example.com/schema",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "sequence": "00017",
    }
    assert statuses(send(api, extended)) == ["applied"]


def test_times_of_any_offset_and_precision_are_one_time(
    api: Api, alice: Account
) -> None:
    times = ["2024-01-15T10:30:00Z", "2024-01-15t12:00:00.000+01:30"]
    times += ["2024-01-15T10:30:00.000000001z", "2024-01-14T20:30:00-14:00"]
    snapshot = event("counts.set", alice.id, posts_count=5)
    assert statuses(send(api, snapshot)) == ["applied"]
    for time in times:
        late = event("post.created", alice.id) | {"time": time}
        assert statuses(send(api, late)) == ["stale"], time


def test_a_clock_that_is_somewhat_ahead_is_believed(api: Api, alice: Account) -> None:
    for minutes, status in ((50, "applied"), (70, "invalid")):
        time = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
        ahead = event("post.created", alice.id) | {"time": time}
        assert statuses(send(api, ahead)) == [status]


def test_a_leap_second_is_the_second_after() -> None:
    after = datetime(2017, 1, 1, tzinfo=UTC)
    for time in ("2016-12-31T23:59:60Z", "2017-01-01T05:29:60+05:30"):
        assert EventTime().deserialize(time) == after
    half = EventTime().deserialize("2016-12-31t23:59:60.5z")
    assert half == after + timedelta(seconds=0.5)
    for wrong in ("2016-12-31T23:59:61Z", "2016-12-31T22:59:60Z"):
        with pytest.raises(ValidationError):
            EventTime().deserialize(wrong)
