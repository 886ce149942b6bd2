"""How many SQL statements a read takes: a fixed number, however long the list."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, insert

from careers_users import clock
from careers_users.extensions import db
from careers_users.models import User
from careers_users.validation.words import searchable
from tests.api import Account, Api


@contextmanager
def statements(api: Api) -> Iterator[list[str]]:
    """Yield the statements that the database is given meanwhile."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # A search has a time of its own, which PostgreSQL takes in a transaction only.
        if not statement.startswith(("BEGIN; SET LOCAL", "COMMIT")):
            seen.append(statement)

    with api.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def alice(api: Api) -> Account:
    """Return a user among a hundred others."""
    alice = api.register("alice")
    now = clock.utcnow()
    rows = [
        {
            "username": name,
            "username_key": name,
            "email": f"{name}@example.com",
            "email_key": f"{name}@example.com",
            "password_hash": "",
            **searchable(name, "", "", ""),
            "created_at": now,
            "updated_at": now,
        }
        for name in (f"user{number:03}" for number in range(100))
    ]
    with api.app.app_context(), db.session.begin():
        db.session.execute(insert(User), rows)
    return alice


def test_a_list_takes_one_whatever_its_length(api: Api, alice: Account) -> None:
    for query in ("", "&search=user", "&q=us", "&last_name=&ordering=-created_at"):
        for token, expected in ((None, 1), (alice.access, 2)):
            for size in (1, 100):
                with statements(api) as seen:
                    response = api.get(f"?batch_size={size}{query}", token=token)
                assert len(response.json["users"]) == size
                assert len(seen) == expected, seen


def test_one_row_takes_one(api: Api, alice: Account) -> None:
    rows = [
        ("alice/", None, 1),
        ("alice/", alice.access, 2),
        ("alice/stats/", None, 1),
        ("alice/stats/", alice.access, 2),
        ("me/", alice.access, 1),
        ("me/stats/", alice.access, 2),
        ("nobody/", None, 1),
        ("not-a-name-/", None, 0),
        ("me/", None, 0),
        ("?batch_size=x", None, 0),
    ]
    for path, token, expected in rows:
        with statements(api) as seen:
            api.get(path, token=token)
        assert len(seen) == expected, (path, seen)
