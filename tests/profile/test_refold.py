"""Searched texts that an older version has written, and how they are written anew."""

from collections.abc import Iterator
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import insert, select, text

from careers_users import clock
from careers_users.extensions import db
from careers_users.models import User
from careers_users.profile import refold
from careers_users.profile.refold import refold_all, refold_batch
from careers_users.validation.words import searchable
from tests.api import Api
from tests.auth.stored import change, change_user, rows

PEOPLE = 25
DERIVED = (User.id, User.first_name_key, User.last_name_key, User.search_text)


@pytest.fixture
def old(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """Yield an application whose users all have texts of the version before."""
    monkeypatch.setattr(refold, "BATCH_ROWS", 10)
    monkeypatch.setattr(refold, "BATCH_ROWS_ON_SQLITE", 10)
    refold._old_rows.cache_clear()
    now = clock.utcnow()
    people = [
        {
            "username": name,
            "username_key": name,
            "email": f"{name}@example.com",
            "email_key": f"{name}@example.com",
            "password_hash": "!",
            "first_name": "José",
            "first_name_key": "josé",
            "last_name": "Łu",
            "last_name_key": "łu",
            "bio": "UX",
            "search_text": f"{name}\x1fjosé\x1fłu\x1fux",
            "created_at": now,
            "updated_at": now,
        }
        for name in (f"user{number:02}" for number in range(PEOPLE))
    ]
    change(app, insert(User).values(people))
    yield app
    refold._old_rows.cache_clear()


def total(api: Api, **query: str) -> int:
    """Return how many users a question finds."""
    number: int = api.get("", query_string=query).json["batch_info"]["total_users"]
    return number


def assert_all_new(app: Flask) -> None:
    """Assert that each text is what today's version writes."""
    names = (User.username, User.first_name, User.last_name, User.bio)
    for row in rows(app, select(*names, *DERIVED)):
        values = {name.key: row[name.key] for name in names}
        assert {key: row[key] for key in searchable(**values)} == searchable(**values)


def test_all_old_texts_are_rewritten_batch_by_batch(api: Api, old: Flask) -> None:
    assert total(api, search="jose") == total(api, search="ux") == 0
    done: list[int] = []
    with old.app_context():
        done.append(len(refold_batch()))
        # Interrupted here, and begun again from the start.
        assert total(api, search="jose lu ux") == 10
        refold_all(done.append)
    assert done == [10, 10, 5]
    assert_all_new(old)
    for query in ({"search": "jose l ux"}, {"first_name": "jose", "last_name": "u"}):
        assert total(api, **query) == PEOPLE
    with old.app_context():
        assert refold_batch() == []


def test_only_old_texts_are_touched(api: Api, old: Flask) -> None:
    api.register("zoe", first_name="Zoë")
    change_user(old, "zoe", first_name_key="left alone")
    with old.app_context():
        refold_all(lambda _: None)
    (row,) = rows(old, select(*DERIVED).where(User.username == "zoe"))
    assert row["first_name_key"] == "left alone"


def test_a_text_that_was_changed_since_it_was_read_stays(
    api: Api, old: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_meanwhile(**names: Any) -> dict[str, str]:
        if names["username"] == "user03":
            change_user(old, "user03", bio="new", search_text="user03 changed again")
        return searchable(**names)

    monkeypatch.setattr(refold, "searchable", change_meanwhile)
    with old.app_context():
        refold_batch()
        monkeypatch.undo()
        assert total(api, search="changed again") == 1
        refold_all(lambda _: None)
    assert_all_new(old)


def test_an_upgrade_rewrites_them_and_says_so(
    api: Api, old: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    with old.app_context():
        flask_migrate.upgrade()
    assert "Rewrote the searched texts of all 25 users." in capsys.readouterr().err
    assert total(api, search="jose") == PEOPLE
    with old.app_context():
        flask_migrate.upgrade()
    assert "Rewrote" not in capsys.readouterr().err


def test_there_and_back_the_version_before_finds_what_it_did(
    api: Api, app: Flask
) -> None:
    names = {"first_name": "José", "last_name": "Straße", "bio": "Ärger, İstanbul"}
    api.register("alice", **names)
    api.register("bob")
    with app.app_context():
        flask_migrate.downgrade(revision="0008")
    columns = "search_text, first_name_key, last_name_key"
    with app.app_context(), db.engine.connect() as connection:
        texts = connection.execute(text(f"SELECT {columns} FROM users ORDER BY id"))
        assert [tuple(row) for row in texts] == [
            ("alice\x1fjosé\x1fstrasse\x1färger, i\u0307stanbul", "josé", "strasse"),
            ("bob\x1f\x1f\x1f", "", ""),
        ]
        counted = "SELECT value FROM totals WHERE name = 'users'"
        assert connection.execute(text(counted)).scalar_one() == 2
        changes = "SELECT went, came FROM search_changes ORDER BY id"
        found = [tuple(row) for row in connection.execute(text(changes))]
        assert [(went, came[:5]) for went, came in found] == [
            (None, "alice"),
            (None, "bob\x1f\x1f"),
        ]
        assert not connection.execute(text("SELECT * FROM search_grams")).all()

    with app.app_context():
        flask_migrate.upgrade()
    assert_all_new(app)
    assert total(api) == 2
    assert total(api, search="jose strasse") == 1
