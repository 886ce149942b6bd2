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
WRITTEN_ANEW = "UPDATE users SET search_text = search_text WHERE username = :name"
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

    for name in ("alice", "bob", "carol"):
        words = ("users", "create", name, f"{name}@example.com", "--password-stdin")
        done(api.app, *words, "--bio", "Ornithology", stdin="password123\n")
    with api.app.app_context():
        flask_migrate.downgrade(revision="0007")
        for name in ("alice", "bob", "carol"):
            with db.session.begin():  # Each makes a part.
                db.session.execute(text(WRITTEN_ANEW), {"name": name})
    assert ask(PARTS) > 3
    assert ask(MERGED_AT) == 4
    with api.app.app_context():
        flask_migrate.upgrade(revision="0008")
    assert (ask(PARTS), ask(MERGED_AT)) == (1, 2)
    with api.app.app_context():
        flask_migrate.upgrade()
    reply = api.get("?search=ornithology").json
    assert [user["username"] for user in reply["users"]] == ["alice", "bob", "carol"]
