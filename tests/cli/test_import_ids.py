"""`users import` and the ids of users: the same as before, or mapped."""

import csv
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from careers_users.cli import user_import
from tests.api import Api
from tests.cli.command import done, refused
from tests.cli.user_records import json_lines, record, total
from tests.live_server import ask, wrong_counters


def numbers(url: str) -> dict[str, int]:
    """Return the numbers of all users by name."""
    return dict(ask(url, "SELECT username, id FROM users"))


def test_numbers_are_kept_and_the_next_ones_go_on_behind_them(
    api: Api, app: Flask, tmp_path: Path, database_url: str
) -> None:
    path = json_lines(
        tmp_path / "users.jsonl",
        record("ada", id=41),
        record("bob", id="7"),
        record("carol", id=1_000_000),
    )
    said = done(app, "users", "import", path, "--keep-ids")
    assert said == "Added 3 users; 0 were there already.\n"
    assert numbers(database_url) == {"ada": 41, "bob": 7, "carol": 1_000_000}
    assert wrong_counters(database_url) == []
    # Again: all are there, and no others.
    assert done(app, "users", "import", path, "--keep-ids").startswith(
        "Added 0 users; 3"
    )
    assert api.register("dora").id == 1_000_001
    assert "There are 1 users here" in refused(
        app, "users", "import", path, "--keep-ids"
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "id: 7 is also on line 1, and older there"),
    ({"id": None}, "id: Missing data"),
    ({"id": ""}, "id: Missing data"),
    ({"id": 0}, "id: Not a whole number from 1"),
    ({"id": "007"}, "id: Not a whole number from 1"),
    ({"id": "٣"}, "id: Not a whole number from 1"),
    ({"id": 2**53}, "id: Not a whole number from 1"),
    ({"id": True}, "id: Not a number"),
    ({"id": [1]}, "id: Not a number"),
    ({"id": 1}, "id: 1 is, or was, another user's"),
]


def test_numbers_that_can_not_be_kept_are_mistakes(
    api: Api, app: Flask, tmp_path: Path
) -> None:
    gone = api.register("gone")
    assert gone.id == 1
    done(app, "users", "delete", "gone", "--yes")
    users = [record(f"user{n}", **bad) for n, (bad, _) in enumerate(WRONG)]
    path = json_lines(tmp_path / "users.jsonl", record("ada"), *users)
    said = refused(app, "users", "import", path, "--keep-ids", code=65).splitlines()
    assert len(said) == len(WRONG) + 1
    for number, (line, (_, text)) in enumerate(zip(said, WRONG, strict=False), 2):
        assert line.startswith(f"line {number}: {text}")
    assert total(api) == 0


def test_a_user_who_is_here_with_another_number_is_a_mistake(
    api: Api, app: Flask, tmp_path: Path
) -> None:
    api.register("ada")
    path = json_lines(tmp_path / "users.jsonl", record("ada", id=2))
    said = refused(app, "users", "import", path, "--keep-ids", code=65)
    assert "line 1: id: ada is here, with number 1" in said


def test_an_interrupted_import_that_keeps_numbers_goes_on(
    app: Flask, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [record(f"user{n}", id=100 - n) for n in range(25)]
    path = json_lines(tmp_path / "users.jsonl", *users)
    monkeypatch.setattr(user_import, "BATCH", 10)
    write = user_import._write

    def interrupted(rows: Any) -> None:
        write(rows)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(user_import, "_write", interrupted)
        refused(app, "users", "import", path, "--keep-ids", code=130)
    assert len(numbers(database_url)) == 10
    said = done(app, "users", "import", path, "--keep-ids")
    assert said == "Added 15 users; 10 were there already.\n"
    expected = {user["username"]: user["id"] for user in users}
    assert numbers(database_url) == expected


def test_a_map_has_the_old_and_the_new_number_of_every_user(
    api: Api, app: Flask, tmp_path: Path, database_url: str
) -> None:
    api.register("first")
    users = [
        record("ada", id=41),
        record("bob@home", id="uuid-1", email="bob@example.com", new_username="bob"),
        record("first", id=5),
        record("bad name", id=6, email="bad@example.com"),
    ]
    path, map_path = json_lines(tmp_path / "users.jsonl", *users), tmp_path / "map.csv"
    words = ("users", "import", path, "--map", str(map_path))
    assert "username: Use 3" in refused(app, *words, code=65)
    assert not map_path.exists()
    assert done(app, *words, "--skip-invalid").startswith("Added 2 users; 1")

    here = numbers(database_url)
    with map_path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["old_id", "new_id", "username"]
    expected = [("41", "ada"), ("uuid-1", "bob"), ("5", "first")]
    assert rows[1:] == [[old, str(here[name]), name] for old, name in expected]
    # It is written again by the same call, but not over one that is there.
    assert "is there already" in refused(app, *words, "--skip-invalid", code=73)
    first = map_path.read_text()
    map_path.unlink()
    assert done(app, *words, "--skip-invalid").startswith("Added 0 users; 3")
    assert map_path.read_text() == first


def test_a_map_needs_old_numbers(app: Flask, tmp_path: Path) -> None:
    path = json_lines(
        tmp_path / "users.jsonl",
        record("ada", id=None),
        record("bob", id="x" * 101),
        record("carol", id="\x1b[2J"),
    )
    words = ("users", "import", path, "--map", str(tmp_path / "map.csv"))
    said = refused(app, *words, code=65).splitlines()
    assert [line.split(":")[1] for line in said[:3]] == [" id"] * 3
