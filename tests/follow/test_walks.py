"""Walks through a list by its links, while it changes."""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import Account, Api
from tests.follow.followers import MANY

_numbers = itertools.count(1)
# A database is slow and its speed varies; the fixtures hold nothing of an example.
lenient = settings(
    max_examples=15,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Stage:
    """A new user, in the middle of six others who come and go."""

    def __init__(self, api: Api, others: list[Account], side: str, own: bool) -> None:
        self.api, self.others, self.side = api, others, side
        self.star = api.register(f"star_{next(_numbers)}")
        self.path = f"{side}/" if own else f"{self.star.username}/{side}/"
        end = "follower_username" if side == "followers" else "following_username"
        self.key = end if own else "username"
        self.present: set[str] = set()
        self.stayed: set[str] = set()

    def toggle(self, index: int) -> None:
        """Let one of the six come, or go."""
        one, two = self.others[index], self.star
        name = one.username
        if self.side == "following":
            one, two = two, one
        if name in self.present:
            response = self.api.delete(f"{two.username}/unfollow/", token=one.access)
            assert response.status_code == 200
            self.stayed.discard(name)
        else:
            response = self.api.post("follow/", {"following": two.id}, token=one.access)
            assert response.status_code == 201
        self.present ^= {name}

    def get(self, path: str) -> Any:
        """Return a reply that lists them."""
        response = self.api.get(path, token=self.star.access)
        assert response.status_code == 200
        assert response.json["count"] == len(self.present)
        return response.json

    def walk(self, reply: Any, link: str, churn: Iterator[list[int]]) -> Any:
        """Go on to the end while others come and go; return the end and all names."""
        self.stayed = set(self.present)
        visited = [row[self.key] for row in reply["results"]]
        for _ in range(MANY):
            if reply[link] is None:
                return reply, visited
            for index in next(churn, []):
                self.toggle(index)
            reply = self.get(reply[link])
            visited += [row[self.key] for row in reply["results"]]
        raise AssertionError("The walk does not end.")


@lenient
@given(
    side=st.sampled_from(["followers", "following"]),
    own=st.booleans(),
    size=st.integers(1, 5),
    at_first=st.lists(st.integers(0, 5), min_size=3, unique=True),
    churn=st.lists(st.lists(st.integers(0, 5), max_size=3), max_size=12),
)
def test_a_walk_visits_everyone_who_stays_once_whatever_happens(
    api: Api,
    others: list[Account],
    side: str,
    own: bool,
    size: int,
    at_first: list[int],
    churn: list[list[int]],
) -> None:
    stage = Stage(api, others, side, own)
    for index in at_first:
        stage.toggle(index)
    events = iter(churn)

    reply = stage.get(f"{stage.path}?batch_size={size}")
    reply, visited = stage.walk(reply, "next", events)
    # A follower who leaves and comes back is newer than the batches to come, so none is
    # listed twice.
    assert max(Counter(visited).values()) == 1
    assert stage.stayed <= set(visited)

    reply, visited = stage.walk(reply, "previous", events)
    times = Counter(visited)
    assert {name: times[name] for name in stage.stayed} == dict.fromkeys(
        stage.stayed, 1
    )
