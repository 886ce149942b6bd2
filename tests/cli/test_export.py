"""`users export` and `users export-follows`, and back into another database."""

import csv
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from careers_users.cli.record_files import Writer
from tests.api import Api
from tests.auth.stored import NOON, change_user, password_hash
from tests.cli.command import done, refused
from tests.live_server import ask, environment, wrong_counters
from tests.stress.filled import app_on

USERS = (
    "SELECT id, username, username_key, email, email_key, password_hash, first_name,"
    " first_name_key, last_name, last_name_key, bio, avatar, search_text, is_active,"
    " email_verified_at IS NOT NULL,"
    " token_version, created_at, updated_at FROM users ORDER BY id"
)
FOLLOWS = "SELECT follower_id, following_id, created_at FROM follows ORDER BY id"
COUNTERS = (
    "SELECT user_id, followers_count, following_count FROM user_counters"
    " ORDER BY user_id"
)


def tables(url: str) -> list[Any]:
    """Return all that an export has to carry over, alike for both databases."""
    return [
        [tuple(map(plain, row)) for row in ask(url, table)]
        for table in (USERS, FOLLOWS, COUNTERS)
    ]


def plain(value: Any) -> Any:
    """Return a value as both databases' drivers return it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return int(value) if isinstance(value, bool) else value


def fill(api: Api, app: Flask) -> None:
    """Users of all kinds, one of whom is gone, and who follows whom."""
    accounts = [
        api.register("Ada", first_name='O"Hara, Zo\u00eb', bio="=1+1\nb\t\u00e9"),
        api.register("gone"),
        api.register("bob", last_name="-2+3", avatar="https://example.com/a.png"),
        api.register("carol"),
    ]
    done(app, "users", "delete", "gone", "--yes")
    api.patch("me/update/", {"bio": "@SUM(A1)"}, token=accounts[3].access)
    ada, _, bob, carol = accounts
    for follower, following in ((carol, ada), (ada, carol), (carol, bob), (bob, ada)):
        edge = {"following": following.id}
        api.post("follow/", edge, token=follower.access)
    change_user(app, "bob", is_active=False)
    change_user(app, "carol", email_verified_at=NOON)


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_export_and_import_give_the_same_database(
    api: Api,
    app: Flask,
    tmp_path: Path,
    database_url: str,
    other_url: str,
    format_: str,
) -> None:
    fill(api, app)
    users, follows = (tmp_path / f"{name}.{format_}" for name in ("users", "follows"))
    done(app, "users", "export", str(users), "--with-passwords")
    done(app, "users", "export-follows", str(follows))
    if os.name == "posix":
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (users, follows)}
        assert modes == {0o600}
    assert not list(tmp_path.glob(".*.part"))

    with app_on(other_url) as other:
        said = done(other, "users", "import", str(users), "--keep-ids")
        assert said.startswith("Added 3 users")
        said = done(other, "users", "import-follows", str(follows))
        assert said.startswith("Added 4 follows")
    assert tables(other_url) == tables(database_url)
    assert wrong_counters(other_url) == []
    # The texts in a file are what users chose, formulas or not.
    assert "=1+1" in users.read_text("utf-8")


def test_hashes_are_exported_only_when_asked(
    api: Api, app: Flask, tmp_path: Path, other_url: str
) -> None:
    api.register("ada")
    path = tmp_path / "users.jsonl"
    done(app, "users", "export", str(path))
    assert "argon2" not in path.read_text()
    assert "password" not in json.loads(path.read_text())
    # Without hashes, it is imported only when that is what one wants.
    with app_on(other_url) as other:
        assert "password: " in refused(other, "users", "import", str(path), code=65)
        done(other, "users", "import", str(path), "--no-passwords")
        assert password_hash(other, "ada") == "!"

    table = done(app, "users", "export", "-", "--format", "csv")
    assert next(csv.DictReader(table.splitlines()))["username"] == "ada"


def test_export_overwrites_and_leaves_nothing_half_done(
    api: Api, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.register("ada")
    path = tmp_path / "users.csv"
    path.write_text("precious")
    said = refused(app, "users", "export", str(path), code=73)
    assert "is there already" in said

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", interrupted)
        refused(app, "users", "export", str(path), "--force", code=130)
    assert path.read_text() == "precious"
    assert not list(tmp_path.glob(".*.part"))
    done(app, "users", "export", str(path), "--force")
    assert "ada@example.com" in path.read_text()
    refused(app, "users", "export", str(tmp_path / "no" / "a.csv"), code=73)


@pytest.mark.skipif(os.name != "posix", reason="there are no such modes here")
def test_export_refuses_to_be_redirected_to_where_all_can_read(
    tmp_path: Path, sqlite_template: Path
) -> None:
    code = "from careers_users.__main__ import main; main()"
    words = ["users", "export", "-", "--format", "csv"]
    url = f"sqlite:///{sqlite_template}"
    codes = []
    for mode in (0o644, 0o600):
        path = tmp_path / f"{mode}.csv"
        path.touch(mode)
        path.chmod(mode)
        with path.open("w") as file:
            result = subprocess.run(
                [sys.executable, "-c", code, *words],
                stdout=file,
                env=environment({"DATABASE_URL": url}),
                stderr=subprocess.PIPE,
                check=False,
                timeout=60,
            )
        codes.append(result.returncode)
    assert codes == [73, 0]
    assert (tmp_path / f"{0o644}.csv").read_text() == ""
