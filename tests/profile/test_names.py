"""Names of many languages: found as they are, without accents, by a beginning."""

import itertools
import random
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from faker.providers import person
from flask import Flask
from sqlalchemy import insert

from careers_users import clock
from careers_users.extensions import db
from careers_users.models import User
from careers_users.validation.limits import NAME_MAX
from careers_users.validation.words import searchable
from tests.api import Api

SAMPLE = 2000
ROWS_AT_ONCE = 1000


@cache
def all_names() -> list[tuple[str, str]]:
    """Return pairs of the first and last names of all languages that faker knows."""
    found: dict[tuple[str, str], None] = {}
    for module in iter_modules(person.__path__):
        provider = import_module(f"{person.__name__}.{module.name}").Provider
        first, last = _of(provider, "first"), _of(provider, "last")
        if first and last:
            pairs = zip(itertools.cycle(first), itertools.cycle(last), strict=False)
            longest = max(len(first), len(last))
            found.update(dict.fromkeys(itertools.islice(pairs, longest)))
    return [*found]


def _of(provider: Any, which: str) -> list[str]:
    names: dict[str, None] = {}
    for ending in ("names", "names_male", "names_female"):
        listed = getattr(provider, f"{which}_{ending}", ())
        if not isinstance(listed, property):  # Made of others that are listed.
            names.update(dict.fromkeys(listed))
    return [name for name in names if 0 < len(name.strip()) <= NAME_MAX]


def without_accents(name: str) -> str:
    """Return a name as typed on a keyboard without accents."""
    parts = unicodedata.normalize("NFD", name)
    return "".join(part for part in parts if not "\u0300" <= part <= "\u036f")


def walk(api: Api, search: str) -> Iterator[int]:
    """Yield the numbers of all users whom a search finds, batch by batch."""
    for number in itertools.count():
        query = {"search": search, "batch_size": "100", "batch_number": str(number)}
        response = api.get("", query_string=query)
        assert response.status_code == 200, (search, response.text)
        cards = response.json["users"]
        yield from (card["id"] for card in cards)
        if len(cards) < 100:
            return


def add(app: Flask, names: list[tuple[str, str]]) -> None:
    """Add a user of each name, numbered from 1."""
    now = clock.utcnow()
    rows = [
        {
            "id": number,
            "username": f"zq{number}",
            "username_key": f"zq{number}",
            "email": f"zq{number}@example.com",
            "email_key": f"zq{number}@example.com",
            "password_hash": "!",
            "first_name": first,
            "last_name": last,
            "created_at": now,
            "updated_at": now,
            **searchable(f"zq{number}", first, last, ""),
        }
        for number, (first, last) in enumerate(names, 1)
    ]
    with app.app_context(), db.session.begin():
        for start in range(0, len(rows), ROWS_AT_ONCE):
            db.session.execute(insert(User), rows[start : start + ROWS_AT_ONCE])


@pytest.mark.parametrize(
    "number", [SAMPLE, pytest.param(None, marks=pytest.mark.every_name)]
)
def test_each_name_is_found(api: Api, app: Flask, number: int | None) -> None:
    names = all_names()
    assert len(names) > SAMPLE
    if number is not None:
        names = random.Random(18).sample(names, number)
    add(app, names)

    beginnings: dict[str, set[int]] = {}
    for id_, (first, last) in enumerate(names, 1):
        assert id_ in walk(api, f"{first} {last}"), (first, last)
        plain = f"{without_accents(last)}, {without_accents(first)}".upper()
        assert id_ in walk(api, plain), plain
        for name in (first, last):
            beginning = name[:3]
            if beginning not in beginnings:
                beginnings[beginning] = {*walk(api, beginning)}
            assert id_ in beginnings[beginning], (beginning, name)
