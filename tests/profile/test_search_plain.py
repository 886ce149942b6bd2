"""Searches, filters, orderings and batches, against the same in plain Python."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert

from careers_users.extensions import db
from careers_users.models import User
from careers_users.validation.folding import search as fold
from careers_users.validation.words import searchable
from tests.api import Api
from tests.profile import plain_search

# A search has three ways: SQLite's trigram index, PostgreSQL's, and none.
pytestmark = pytest.mark.also_without_pg_trgm

USERS = 60
QUESTIONS = 250
SYLLABLES = [
    *("ab", "ba", "c_", "%d", "éa", "ß", "İ", "張偉", "😀", "\\", "x", "yz", "か", "ไ"),
    *(" ", ", ", "-", "'", "UX", "C#", "1", "Ł", "\u200d", '"', "+", "QQ", "\u00a0"),
]
SPACES = "".join(plain_search.SPACES)
ORDERINGS = [
    sign + key
    for key in ("username", "created_at", "first_name", "last_name")
    for sign in ("", "-")
]


def people(dice: random.Random) -> list[dict[str, Any]]:
    """Return rows of users, of few syllables, some of whom came at the same moment."""
    found = []
    for number in range(1, USERS + 1):
        first, last, bio = (
            "".join(dice.choices(SYLLABLES, k=dice.randrange(5))).strip(SPACES)
            for _ in range(3)
        )
        username = f"{dice.choice(('a', 'ab', 'B.c', 'z_x'))}{number:02}"
        names = {"first_name": first, "last_name": last, "bio": bio}
        moment = datetime(2024, 1, 15, tzinfo=UTC) + timedelta(days=dice.randrange(9))
        row = {
            "id": number,
            "username": username,
            "username_key": username.lower(),
            "email": f"{username}@example.com",
            "email_key": f"{username}@example.com".lower(),
            "password_hash": "!",
            "created_at": moment,
            "updated_at": moment,
        }
        found.append({**row, **names, **searchable(username, **names)})
    return found


def a_question(dice: random.Random) -> dict[str, Any]:
    """Return a query, most of them of words that users may have."""
    query: dict[str, Any] = {}
    for name in ("search", "q", "first_name", "last_name"):
        if dice.random() < 0.35:
            query[name] = "".join(dice.choices(SYLLABLES, k=dice.randrange(1, 4)))
            if dice.random() < 0.3:
                query[name] = query[name][: dice.randrange(1, 3)]
    if dice.random() < 0.2:
        numbers = dice.choices(range(1, USERS + 5), k=dice.randrange(1, 40))
        query["ids"] = ",".join(map(str, numbers))
    query["ordering"] = dice.choice(ORDERINGS)
    query["batch_size"] = dice.choice((1, 3, 10, 20, 100))
    query["batch_number"] = dice.choice((0, 0, 1, 2, 7))
    return query


def expected(rows: list[dict[str, Any]], query: Mapping[str, Any]) -> tuple[Any, int]:
    """Return the usernames of a batch, and the number of all who pass."""
    passing = [row for row in rows if plain_search.passes(row, query)]
    if "ids" in query:
        ids = {*map(int, query["ids"].split(","))}
        passing = [row for row in passing if row["id"] in ids]
    name = query["ordering"].removeprefix("-")

    def key(row: dict[str, Any]) -> Any:
        value = row[name]
        return (fold(value) if isinstance(value, str) else value, row["id"])

    passing.sort(key=key, reverse=query["ordering"].startswith("-"))
    size = query["batch_size"]
    first = query["batch_number"] * size
    batch = [row["username"] for row in passing[first : first + size]]
    return batch, len(passing)


def test_any_question_is_answered_as_in_plain_python(api: Api, app: Flask) -> None:
    dice = random.Random(18)
    rows = people(dice)
    with app.app_context(), db.session.begin():
        db.session.execute(insert(User), rows)

    hits = 0
    for _ in range(QUESTIONS):
        query = a_question(dice)
        response = api.get("", query_string=query)
        assert response.status_code == 200, (query, response.text)
        shown = [card["username"] for card in response.json["users"]]
        total = response.json["batch_info"]["total_users"]
        assert (shown, total) == expected(rows, query), query
        hits += bool(shown)
    assert hits > QUESTIONS / 10
