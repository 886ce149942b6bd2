"""POST events/"""

import itertools

from flask import Flask
from sqlalchemy import text

from careers_users.extensions import db
from careers_users.validation.limits import EVENTS_MAX
from tests.api import Account, Api
from tests.post_events.posts_service import SOURCE, event, numbers, send, statuses


def test_each_kind_of_event_moves_its_counter(api: Api, alice: Account) -> None:
    rows = [
        ("post.created", [1, 0, 0]),
        ("post.created", [2, 0, 0]),
        ("like.added", [2, 1, 0]),
        ("comment.added", [2, 1, 1]),
        ("comment.removed", [2, 1, 0]),
        ("like.removed", [2, 0, 0]),
        ("post.deleted", [1, 0, 0]),
    ]
    for second, (type_, expected) in enumerate(rows):
        assert statuses(send(api, event(type_, alice.id, second))) == ["applied"]
        assert numbers(api, "alice") == expected, type_
    profile = api.get("alice/").json
    own = api.get("me/", token=alice.access).json
    assert profile["posts_count"] == own["posts_count"] == 1
    assert (profile["followers_count"], profile["following_count"]) == (0, 0)


def test_the_author_is_named_by_number_or_by_name_whatever_its_case(
    api: Api, alice: Account
) -> None:
    api.register("bob")
    batch = [event("post.created", author) for author in (alice.id, "alice", "ALICE")]
    batch.append(event("like.added", "Bob"))
    assert statuses(send(api, batch)) == ["applied"] * 4
    assert numbers(api, "alice") == [3, 0, 0]
    assert numbers(api, "bob") == [0, 1, 0]


def test_the_reply_names_each_event_in_order(api: Api, alice: Account) -> None:
    batch = [event("post.created", alice.id, id_=name) for name in ("b", "c", "a")]
    expected = [
        {"source": SOURCE, "id": name, "status": "applied", "reason": None}
        for name in ("b", "c", "a")
    ]
    assert send(api, batch).json == {"results": expected}
    assert send(api, []).json == {"results": []}


def test_an_event_counts_once_however_often_it_comes(api: Api, alice: Account) -> None:
    one = event("post.created", alice.id)
    assert statuses(send(api, one)) == ["applied"]
    assert statuses(send(api, one)) == ["duplicate"]
    # Also in one batch, and in the next.
    two = event("post.created", alice.id)
    assert statuses(send(api, [two, one, two])) == ["applied", "duplicate", "duplicate"]
    assert statuses(send(api, [two, two])) == ["duplicate", "duplicate"]
    assert numbers(api, "alice") == [2, 0, 0]


def test_the_same_id_of_another_source_is_another_event(
    api: Api, alice: Account
) -> None:
    one = event("post.created", alice.id)
    other = {**one, "source": "https://comments.example.com/"}
    assert statuses(send(api, [one, other])) == ["applied", "applied"]
    assert numbers(api, "alice") == [2, 0, 0]


def test_every_order_of_delivery_ends_the_same(api: Api) -> None:
    story = ["post.created", "post.deleted", "like.added", "like.removed", "like.added"]
    for number, order in enumerate(itertools.permutations(range(len(story)))):
        if number % 7:  # Every seventh of the 120 orders.
            continue
        name = f"author{number}"
        author = api.register(name).id
        for place in order:
            send(api, event(story[place], author, place))
            assert min(numbers(api, name)) >= 0
        assert numbers(api, name) == [0, 1, 0], order


def test_removals_that_are_ahead_are_never_shown_below_zero(
    api: Api, alice: Account
) -> None:
    for second in range(3):
        send(api, event("like.removed", alice.id, second))
        assert numbers(api, "alice") == [0, 0, 0]
    shown = []
    for second in range(5):
        send(api, event("like.added", alice.id, second))
        shown.append(numbers(api, "alice")[1])
    assert shown == [0, 0, 0, 1, 2]


def test_a_batch_with_hundred_authors_counts_each(api: Api, app: Flask) -> None:
    names = [f"author{number}" for number in range(3)]
    for name in names:
        api.register(name)
    batch = [
        event("like.added", names[number % 3], number) for number in range(EVENTS_MAX)
    ]
    assert statuses(send(api, batch)) == ["applied"] * EVENTS_MAX
    assert [numbers(api, name)[1] for name in names] == [34, 33, 33]
    with app.app_context(), db.engine.connect() as connection:
        count = connection.execute(text("SELECT count(*) FROM activity_events"))
        assert count.scalar_one() == EVENTS_MAX
