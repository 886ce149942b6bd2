"""POST events/: snapshots, which repair what has drifted."""

import itertools
from typing import Any

from flask import Flask
from sqlalchemy import text

from careers_users.extensions import db
from careers_users.validation.limits import COUNT_MAX
from tests.api import Account, Api
from tests.post_events.posts_service import event, numbers, send, statuses


def test_a_snapshot_says_what_the_counters_are(api: Api, alice: Account) -> None:
    send(api, [event("post.created", alice.id, n) for n in range(3)])
    snapshot = event(
        "counts.set",
        "alice",
        10,
        posts_count=15,
        likes_received=156,
        comments_received=89,
    )
    assert statuses(send(api, snapshot)) == ["applied"]
    assert numbers(api, "alice") == [15, 156, 89]
    assert statuses(send(api, snapshot)) == ["duplicate"]
    # Later events count from there.
    send(api, [event("like.added", alice.id, 11), event("post.deleted", alice.id, 11)])
    assert numbers(api, "alice") == [14, 157, 89]


def test_a_snapshot_sets_only_the_numbers_it_has(api: Api, alice: Account) -> None:
    send(api, event("like.added", alice.id, 5))
    assert statuses(send(api, event("counts.set", alice.id, 10, posts_count=7))) == [
        "applied"
    ]
    assert numbers(api, "alice") == [7, 1, 0]
    # The likes have no snapshot: an older event still counts.
    send(api, [event("like.added", alice.id, 1), event("post.created", alice.id, 1)])
    assert numbers(api, "alice") == [7, 2, 0]


def test_events_up_to_the_snapshot_are_in_it(api: Api, alice: Account) -> None:
    send(api, event("counts.set", alice.id, 10, posts_count=2))
    late = [event("post.created", alice.id, second) for second in (9, 10, 10.000001)]
    reply = send(api, late)
    assert statuses(reply) == ["stale", "stale", "applied"]
    assert numbers(api, "alice") == [3, 0, 0]
    assert statuses(send(api, late)) == ["duplicate"] * 3


def test_a_snapshot_older_than_what_was_applied_is_ignored(
    api: Api, alice: Account
) -> None:
    send(api, event("post.created", alice.id, 10))
    assert statuses(send(api, event("counts.set", alice.id, 9, posts_count=40))) == [
        "stale"
    ]
    assert numbers(api, "alice") == [1, 0, 0]
    send(api, event("counts.set", alice.id, 20, posts_count=4))
    for second in (15, 20):
        older = event("counts.set", alice.id, second, posts_count=40)
        assert statuses(send(api, older)) == ["stale"]
    # Whole or not at all: its likes are new, its posts are not.
    mixed = event("counts.set", alice.id, 15, posts_count=1, likes_received=1)
    assert statuses(send(api, mixed)) == ["stale"]
    assert numbers(api, "alice") == [4, 0, 0]


def test_true_snapshots_among_events_in_any_order_leave_true_numbers(
    api: Api,
) -> None:
    # Two posts created at 1 and 3, one deleted at 4; snapshots at 2 and 5.
    story: list[tuple[str, int, dict[str, Any]]] = [
        ("post.created", 1, {}),
        ("counts.set", 2, {"posts_count": 1}),
        ("post.created", 3, {}),
        ("post.deleted", 4, {}),
        ("counts.set", 5, {"posts_count": 1}),
    ]
    for number, order in enumerate(itertools.permutations(story)):
        if number % 5:
            continue
        name = f"author{number}"
        author = api.register(name).id
        for type_, second, data in order:
            send(api, event(type_, author, second, **data))
        assert numbers(api, name) == [1, 0, 0], order


def test_a_snapshot_clears_the_debt_of_removals(api: Api, alice: Account) -> None:
    for second in range(3):
        send(api, event("post.deleted", alice.id, second))
    send(api, event("counts.set", alice.id, 10, posts_count=0))
    send(api, event("post.created", alice.id, 11))
    assert numbers(api, "alice") == [1, 0, 0]


def test_numbers_of_a_snapshot_are_whole_and_not_negative(
    api: Api, alice: Account
) -> None:
    bad = [-1, 1.5, True, "7", None, COUNT_MAX + 1, 10**30]
    batch = [event("counts.set", alice.id, 1, likes_received=number) for number in bad]
    assert statuses(send(api, batch)) == ["invalid"] * len(bad)
    largest = event("counts.set", alice.id, 1, likes_received=COUNT_MAX)
    assert statuses(send(api, largest)) == ["applied"]
    assert numbers(api, "alice") == [0, COUNT_MAX, 0]


def test_numbers_set_before_there_were_events_are_kept(
    api: Api, app: Flask, alice: Account
) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE user_counters SET posts_count = 15"))
    send(api, [event("post.created", alice.id), event("like.added", alice.id)])
    assert numbers(api, "alice") == [16, 1, 0]
