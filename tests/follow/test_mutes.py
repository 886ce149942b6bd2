"""PUT and DELETE {username}/mute/, GET me/mutes/, muted=exclude."""

from datetime import timedelta

import pytest

from tests.api import Account, Api
from tests.auth.stored import NOON, set_clock

FEEDS = ("following/", "me/following/")


@pytest.fixture
def alice(api: Api, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Register a user, at noon, who follows three, the first of whom follows back."""
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")
    others = [api.register(name) for name in ("Bob", "carol", "dave")]
    for other in others:
        api.put(f"{other.username}/follow/", token=alice.access)
    api.put("alice/follow/", token=others[0].access)
    return alice


def feed(api: Api, account: Account, path: str) -> list[str]:
    """Return whom a list of followed users shows, walked in steps of one."""
    met, step = [], f"{path}batch_size=1"
    while step:
        reply = api.get(step, token=account.access).json
        met += [
            row.get("username") or row["following_username"] for row in reply["results"]
        ]
        step = reply["next"]
    assert reply["count"] == len(met)
    return met


def test_a_mute_marks_whom_feeds_leave_out(api: Api, alice: Account) -> None:
    reply = api.put("BOB/mute/", token=alice.access)
    assert (reply.status_code, reply.json) == (
        200,
        {"message": "Muted Bob", "muted_until": None},
    )
    for path in FEEDS:
        assert feed(api, alice, f"{path}?muted=exclude&") == ["dave", "carol"]
        assert feed(api, alice, f"{path}?") == ["dave", "carol", "Bob"]
    # No user is hidden, and no number has moved.
    assert api.get("?search=bob", token=alice.access).json["users"] != []
    assert api.get("alice/", token=alice.access).json["following_count"] == 3
    assert api.get("me/followers/", token=alice.access).json["count"] == 1


def test_the_other_way_between_batches_leaves_them_out_too(
    api: Api, alice: Account
) -> None:
    api.put("carol/mute/", token=alice.access)
    first = api.get("following/?muted=exclude&batch_size=1", token=alice.access).json
    second = api.get(first["next"], token=alice.access).json
    assert second["results"][0]["following_username"] == "Bob"
    assert second["next"] is None
    back = api.get(second["previous"], token=alice.access).json
    assert back["results"] == first["results"]


def test_a_timed_mute_is_over_by_the_clock(
    api: Api, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = api.get("bob/").json["id"]

    def state() -> tuple[bool, int, list[str]]:
        rows = api.get(f"relationships/?ids={bob}", token=alice.access).json["results"]
        listed = api.get("me/mutes/", token=alice.access).json
        assert listed["count"] == len(listed["results"])
        return (
            rows[0]["muting"],
            listed["count"],
            feed(api, alice, "following/?muted=exclude&"),
        )

    reply = api.put("bob/mute/", token=alice.access, json={"duration": 300})
    assert reply.json["muted_until"] == "2031-05-17T12:05:00Z"
    set_clock(monkeypatch, NOON + timedelta(seconds=299))
    assert state() == (True, 1, ["dave", "carol"])
    set_clock(monkeypatch, NOON + timedelta(seconds=301))
    assert state() == (False, 0, ["dave", "carol", "Bob"])
    # The next is a new one, at the top of the list.
    api.put("carol/mute/", token=alice.access)
    api.put("bob/mute/", token=alice.access)
    rows = api.get("me/mutes/", token=alice.access).json["results"]
    assert [row["username"] for row in rows] == ["Bob", "carol"]


def test_again_sets_the_new_time(api: Api, alice: Account) -> None:
    for duration, until in (
        (None, None),
        (300, "2031-05-17T12:05:00Z"),
        (31_536_000, "2032-05-16T12:00:00Z"),
        (None, None),
    ):
        body = {} if duration is None else {"duration": duration}
        reply = api.put("bob/mute/", token=alice.access, json=body)
        assert reply.json["muted_until"] == until
        (row,) = api.get("me/mutes/", token=alice.access).json["results"]
        assert row["muted_until"] == until
        assert row["created_at"] == "2031-05-17T12:00:00Z"


def test_unmuting_may_be_repeated(api: Api, alice: Account) -> None:
    api.put("bob/mute/", token=alice.access)
    for _ in range(2):
        reply = api.delete("bob/mute/", token=alice.access)
        assert reply.status_code == 200
        assert reply.json == {"message": "Unmuted Bob", "muted_until": None}
    assert api.get("me/mutes/", token=alice.access).json["count"] == 0


BAD_DURATIONS: list[object] = [
    None,
    -1,
    0,
    299,
    1.5,
    300.0,
    True,
    "600",
    31_536_001,
    [],
    2**52,
]


def test_a_duration_is_a_number_of_seconds(api: Api, alice: Account) -> None:
    for duration in BAD_DURATIONS:
        body = {"duration": duration}
        reply = api.put("bob/mute/", token=alice.access, json=body)
        assert (reply.status_code, list(reply.json["details"])) == (400, ["duration"])
    assert api.get("me/mutes/", token=alice.access).json["count"] == 0


def test_muted_is_exclude_or_nothing(api: Api, alice: Account) -> None:
    for query in (
        "muted=yes",
        "muted=",
        "muted=EXCLUDE",
        "muted=exclude&muted=exclude",
    ):
        reply = api.get(f"following/?{query}", token=alice.access)
        assert (reply.status_code, list(reply.json["details"])) == (400, ["muted"])
    reply = api.get("followers/?muted=exclude", token=alice.access)
    assert reply.status_code == 400
