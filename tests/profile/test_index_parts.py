"""SQLite's search index, which is made of parts."""

import shutil
from pathlib import Path

import flask_migrate
from sqlalchemy import text

from careers_users import create_app
from careers_users.extensions import db
from config import TestConfig
from tests.api import Api
from tests.cli.command import done

KEY = "a signing key for the tests of the index"
PARTS = "SELECT count(DISTINCT segid) FROM users_search_idx"
MERGED_AT = "SELECT v FROM users_search_config WHERE k = 'automerge'"


def test_it_has_few_from_revision_0008_on(
    sqlite_template: Path, tmp_path: Path
) -> None:
    path = tmp_path / "users.db"
    shutil.copy(sqlite_template, path)
    settings = TestConfig(database_url=f"sqlite:///{path}", jwt_secret_key=KEY)
    api = Api(create_app(settings))

    def ask(statement: str) -> int:
        with api.app.app_context(), db.engine.connect() as connection:
            found: int = connection.execute(text(statement)).scalar_one()
            return found

    with api.app.app_context():
        flask_migrate.downgrade(revision="0007")
    for name in ("alice", "bob", "carol"):
        words = ("users", "create", name, f"{name}@example.com", "--password-stdin")
        done(api.app, *words, "--bio", "Ornithology", stdin="password123\n")
    assert (ask(PARTS), ask(MERGED_AT)) == (3, 4)  # One for each change of a text.
    with api.app.app_context():
        flask_migrate.upgrade()
    assert (ask(PARTS), ask(MERGED_AT)) == (1, 2)
    reply = api.get("?search=ornithology").json
    assert [user["username"] for user in reply["users"]] == ["alice", "bob", "carol"]
