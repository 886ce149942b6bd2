"""Believable users and who follows whom: the same ones for the same numbers.

The account `celebrity` has by far the most followers; what users follow is skewed
otherwise too, as it is in real networks.
"""

import random
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from careers_users.cli.demo.names import (
    CITIES,
    FIRST_NAMES,
    INTERESTS,
    LAST_NAMES,
    SENTENCES,
    TITLES,
)
from careers_users.validation import folding
from careers_users.validation.words import searchable

USERS = 100_000
EDGES = 1_000_000
SEED = 1
CELEBRITY = "celebrity"
CELEBRITY_FOLLOWERS = 50_000
# In the bio of one user in so many.
RARE_WORD = "ornithology"
RARE_EVERY = 5000
BEGINNING = datetime(2021, 3, 1, 8, tzinfo=UTC)
DAYS = 1000  # from the first user to the last, and again from there to the last edge

Pair = tuple[int, int]


@dataclass(frozen=True)
class Size:
    """How much of everything; the seed decides who exactly."""

    users: int = USERS
    edges: int = EDGES
    seed: int = SEED

    def __post_init__(self) -> None:
        most = self.users * min(self.users - 1, CELEBRITY_FOLLOWERS) // 8
        if self.users < 10 or not 0 <= self.edges <= most:
            raise ValueError("At least 10 users, and edges for an eighth of all pairs.")

    @property
    def celebrity_followers(self) -> int:
        """Return how many follow the celebrity: half of all who can, within a limit."""
        return min(CELEBRITY_FOLLOWERS, self.users // 2, self.edges)


def people(
    size: Size,
    password_hash: str,
    ids: Sequence[int],
    taken: Set[str] = frozenset(),
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the users, by their columns' names.

    All have one password. `ids` are their numbers, in order; no user gets one of the
    names in `taken`, which are folded.
    """
    dice = random.Random(size.seed)
    given: Counter[str] = Counter()
    for number, id_ in enumerate(ids, 1):
        first_name, last_name = dice.choice(FIRST_NAMES), dice.choice(LAST_NAMES)
        base = CELEBRITY
        if number > 1:
            base = first_name + dice.choice("._-") + last_name
            base = unicodedata.normalize("NFD", base).encode("ascii", "ignore").decode()
            base = base.lower() if dice.random() < 0.8 else base
        username = _free_name(base, given, taken)
        bio = _bio(dice)
        if number % RARE_EVERY == min(RARE_EVERY, size.users) // 2:
            bio = f"{bio} Amateur of {RARE_WORD}.".strip()
        came_at = BEGINNING + timedelta(days=DAYS) * (number / size.users)
        avatar = f"https://pictures.example.com/{number:06d}.jpg"
        yield {
            "id": id_,
            **_texts(username, first_name, last_name, bio),
            "password_hash": password_hash,
            "avatar": avatar if dice.random() < 0.6 else None,
            "is_active": True,
            "token_version": 1,
            "email_verified_at": came_at if number % 3 else None,
            **dict.fromkeys(("created_at", "updated_at"), came_at),
        }


def _free_name(base: str, given: Counter[str], taken: Set[str]) -> str:
    """Return the name, with a number behind it if another user has it."""
    key, username = base.lower(), base
    while True:
        given[key] += 1
        if given[key] > 1:
            username = f"{base}{given[key]}"
        if folding.identity(username) not in taken:
            return username


def _texts(
    username: str, first_name: str, last_name: str, bio: str
) -> dict[str, str | None]:
    email = f"{username}@example.com"
    return {
        "username": username,
        "username_key": folding.identity(username),
        "email": email,
        "email_key": folding.identity(email),
        "first_name": first_name,
        "last_name": last_name,
        "bio": bio,
        **searchable(username, first_name, last_name, bio),
    }


def _bio(dice: random.Random) -> str:
    """Return none, one or two sentences about a user."""
    count = dice.choice((0, 1, 1, 1, 2, 2))
    sentences = []
    for template in dice.sample(SENTENCES, count):
        title = dice.choice(TITLES)
        sentences.append(
            template.format(
                title=title,
                lower=title[0].lower() + title[1:],
                city=dice.choice(CITIES),
                year=dice.randrange(1990, 2024),
                interest=dice.choice(INTERESTS),
                other=dice.choice(INTERESTS),
            )
        )
    return " ".join(sentences)


def pairs(size: Size) -> list[Pair]:
    """Return who follows whom, each pair once, in the order in which it came about.

    Users are named by their place among all, from 1.
    """
    dice = random.Random(size.seed + 1)
    fans = dice.sample(range(2, size.users + 1), size.celebrity_followers)
    found = {(fan, 1) for fan in fans}
    followers: Counter[int] = Counter()
    while len(found) < size.edges:
        # Some follow many, many follow few; early users are followed by the most.
        follower = int(size.users * dice.random() ** 2) + 1
        following = int((size.users - 1) * dice.random() ** 3) + 2
        # No user has more followers than the celebrity.
        if follower != following and followers[following] < len(fans) - 1:
            followers[following] += (follower, following) not in found
            found.add((follower, following))
    ordered = sorted(found)
    dice.shuffle(ordered)
    return ordered


def follows(ordered: list[Pair], ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the edges, all of them made after everybody had come."""
    start = BEGINNING + timedelta(days=DAYS)
    step = timedelta(days=DAYS) / max(len(ordered), 1)
    for index, (follower, following) in enumerate(ordered):
        yield {
            "follower_id": ids[follower - 1],
            "following_id": ids[following - 1],
            "created_at": start + step * index,
        }


def counters(ordered: list[Pair], ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the counters, counted from the edges."""
    following = Counter(follower for follower, _ in ordered)
    followers = Counter(following for _, following in ordered)
    for number, id_ in enumerate(ids, 1):
        yield {
            "user_id": id_,
            "followers_count": followers[number],
            "following_count": following[number],
            "posts_count": 0,
            "likes_received": 0,
            "comments_received": 0,
        }
