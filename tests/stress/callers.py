"""The callers of the soak: users, guests and the service of posts."""

import itertools
import random
from collections.abc import Iterable
from datetime import UTC, datetime

from tests.post_events.posts_service import SINGLE, SOURCE, TOKENS
from tests.stress.load import Caller, Outcome

PAUSE = 0.02  # Between two calls of a caller: busy, but not more than can be served.


class Person:
    """A user who signs in, looks around, changes things, errs and signs out."""

    def __init__(self, name: str, star: str) -> None:
        self.name, self.star = name, star
        self.dice = random.Random(name)
        self.known = False
        self.gone = 0  # Accounts of theirs that have been deleted.

    def __call__(self, caller: Caller) -> Iterable[Outcome]:
        """Do one round."""
        me = f"{self.name}_{self.gone}"
        if not self.known:
            yield (registered := caller.register(me))
            assert registered.status == 201, registered
            self.known = True
        yield caller.call("POST", "login/", {"username": me, "password": "wrong"})
        login = caller.call(
            "POST", "login/", {"username": me, "password": "password123"}
        )
        yield login
        assert login.status == 200, login
        token, refresh = login.body["access"], login.body["refresh"]
        yield caller.call("GET", f"?search={self.dice.choice('ws')}&batch_size=50")
        yield caller.call("GET", f"?search={self.name}", token=token)
        yield caller.call("GET", f"{self.star}/", token=token)
        yield caller.call("GET", f"{self.star}/followers/?batch_size=50", token=token)
        yield caller.call("GET", f"{me}/stats/", token=token)
        bio = {"bio": "x" * self.dice.randrange(400)}
        yield caller.call("PATCH", "me/", bio, token)
        yield caller.call("POST", "follow/", {"username": self.star}, token)
        yield caller.call("PATCH", "me/", {"email": "not an address"}, token)
        yield caller.call("GET", "nobody_of_that_name/")
        yield caller.call("GET", "me/", token=refresh)  # The wrong kind of token.
        rotated = caller.call("POST", "token/refresh/", {"refresh": refresh})
        yield rotated
        yield caller.call("DELETE", f"{self.star}/unfollow/", None, token)
        yield caller.call("GET", "me/sessions/", token=token)
        if self.dice.random() < 0.1:
            body = {"password": "password123"}
            yield (left := caller.call("DELETE", "me/", body, token))
            assert left.status == 200, left
            self.gone, self.known = self.gone + 1, False
        else:
            yield caller.call("POST", "logout/", {"refresh": refresh}, token)


class Guest:
    """A client that comes by with a new token each time."""

    def __init__(self) -> None:
        self.refresh = ""

    def __call__(self, caller: Caller) -> Iterable[Outcome]:
        """Get a token, and use it."""
        if not self.refresh:
            who = {"username": "star", "password": "password123"}
            self.refresh = caller.call("POST", "login/", who).body["refresh"]
        renewed = caller.call("POST", "token/refresh/", {"refresh": self.refresh})
        assert renewed.status == 200, renewed
        yield renewed
        yield caller.call("GET", "me/", token=renewed.body["access"])


class Posts:
    """The service that owns posts: each event twice."""

    def __init__(self, author: str) -> None:
        self.author, self.numbers, self.reported = author, itertools.count(1), 0

    def __call__(self, caller: Caller) -> Iterable[Outcome]:
        """Report one like, and report it again."""
        event = {
            "specversion": "1.0",
            "id": f"like-{next(self.numbers)}",
            "source": SOURCE,
            "type": "like.added",
            "time": datetime.now(UTC).isoformat(),
            "data": {"author_username": self.author},
        }
        for times in (1, 0):
            taken = caller.call("POST", "events/", event, TOKENS[0], SINGLE)
            assert taken.status == 200, taken
            self.reported += times
            yield taken
