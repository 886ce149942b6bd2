"""`users import-follows`: whom it finds, what it refuses, and what it counts."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from careers_users.cli import follow_import
from tests.api import Account, Api
from tests.cli.command import done, refused, run
from tests.cli.user_records import json_lines, record
from tests.live_server import ask, wrong_counters

HEAD = "follower,following,created_at\n"
IMPORT = ("users", "import-follows")


@pytest.fixture
def accounts(api: Api) -> list[Account]:
    """Some users without follows."""
    return [api.register(name) for name in ("ada", "bob", "carol", "dora")]


def edges(url: str) -> list[Any]:
    """Return all follows, as they were added."""
    return ask(
        url,
        "SELECT a.username, b.username FROM follows JOIN users a ON a.id = follower_id"
        " JOIN users b ON b.id = following_id ORDER BY follows.id",
    )


def test_follows_between_users_with_a_block_are_left_out(
    api: Api, app: Flask, accounts: list[Account], tmp_path: Path, database_url: str
) -> None:
    ada = accounts[0]
    api.put("bob/block/", token=ada.access)
    path = tmp_path / "follows.csv"
    path.write_text(HEAD + "ada,bob,\nbob,ada,\ncarol,ada,\n")
    done(app, *IMPORT, str(path))
    assert edges(database_url) == [("carol", "ada")]
    assert wrong_counters(database_url) == []


@pytest.mark.usefixtures("accounts")
def test_follows_are_added_by_name_the_newest_last(
    api: Api, app: Flask, tmp_path: Path, database_url: str
) -> None:
    path = tmp_path / "follows.csv"
    path.write_text(
        HEAD
        + "carol,ada,2024-01-03T00:00:00Z\n"
        + "BOB,Ada,2024-01-01 00:00:00.5+00\n\n"
        + "ada,bob,2024-01-02T01:00:00+01:00\n"
        + "bob,ada,2024-01-01 00:00:00.5+00\n"
        + "dora,ada,\n"
    )
    said = done(app, *IMPORT, str(path))
    assert said == "Added 4 follows; 1 were there already.\n"
    expected = [("bob", "ada"), ("ada", "bob"), ("carol", "ada"), ("dora", "ada")]
    assert edges(database_url) == expected
    followers = api.get("ada/followers/").json
    assert [card["username"] for card in followers["results"]] == [
        "dora",
        "carol",
        "bob",
    ]
    assert followers["count"] == api.get("ada/stats/").json["followers_count"] == 3
    assert wrong_counters(database_url) == []
    token = api.post("login/", {"username": "bob", "password": "password123"})
    mine = api.get("following/", token=token.json["access"]).json["results"]
    assert mine[0]["created_at"] == "2024-01-01T00:00:00Z"


def test_follows_by_the_map_of_an_import_and_by_kept_numbers(
    app: Flask, api: Api, tmp_path: Path, database_url: str
) -> None:
    api.register("first")
    users = json_lines(
        tmp_path / "users.jsonl", record("ada", id=41), record("bob", id="uuid")
    )
    map_path = str(tmp_path / "map.csv")
    done(app, "users", "import", users, "--map", map_path)
    path = json_lines(tmp_path / "follows.jsonl", {"follower": 41, "following": "uuid"})
    assert done(app, *IMPORT, path, "--map", map_path).startswith("Added 1 follows")
    assert edges(database_url) == [("ada", "bob")]

    path = json_lines(tmp_path / "ids.jsonl", {"follower": 1, "following": "2"})
    assert "is no user here" in refused(app, *IMPORT, path, code=65)
    assert done(app, *IMPORT, path, "--ids").startswith("Added 1 follows")
    assert edges(database_url) == [("ada", "bob"), ("first", "ada")]
    refused(app, *IMPORT, path, "--ids", "--map", map_path, code=2)

    Path(map_path).write_text("old_id,new_id,username\n41,99,ada\n")
    said = refused(app, *IMPORT, path, "--map", map_path, code=65)
    assert "it is another's" in said
    Path(map_path).write_text("old_id,new_id,username\n41\n")
    said = refused(app, *IMPORT, path, "--map", map_path, code=65)
    assert "The map is wrong on line 2" in said


@pytest.mark.usefixtures("accounts")
def test_every_mistake_is_reported_and_the_good_lines_can_go_in(
    app: Flask, tmp_path: Path, database_url: str
) -> None:
    good = {"follower": "ada", "following": "bob"}
    wrong: list[tuple[Any, str]] = [
        ({"follower": "ada"}, "following: is missing"),
        ({"follower": "ada", "following": None}, "following: is missing"),
        ({"follower": True, "following": "bob"}, "follower: is missing"),
        (
            {"follower": "x\x1b[2J", "following": "bob"},
            r"follower: x\x1b[2J is no",
        ),
        ({"follower": "ada", "following": "ADA"}, "following: is the follower"),
        ({**good, "created_at": "then"}, "created_at: Not a time"),
        ({**good, "created_at": 1}, "created_at: Not a time"),
        (
            {**good, "created_at": "0001-01-01T00:00:00Z"},
            "created_at: Lies before",
        ),
        ({**good, "created_at": "2999-01-01T00:00:00Z"}, "created_at: Lies in the"),
        (["ada", "bob"], "not an object"),
    ]
    records = [good, *(each for each, _ in wrong)]
    path, report = json_lines(tmp_path / "a.jsonl", *records), tmp_path / "report.jsonl"
    said = refused(app, *IMPORT, path, code=65).splitlines()
    for number, (line, (_, text)) in enumerate(zip(said, wrong, strict=False), 2):
        assert line.startswith(f"line {number}: {text}"), line
    assert len(said) == len(wrong) + 1
    assert edges(database_url) == []

    words = (*IMPORT, path, "--skip-invalid", "--report", str(report))
    assert done(app, *words, "--dry-run").startswith("Would add 1 follows")
    assert edges(database_url) == []
    report.unlink()
    assert done(app, *words).startswith("Added 1 follows")
    lines = report.read_text("utf-8").splitlines()
    assert len(lines) == len(wrong)
    assert json.loads(lines[0])["mistake"] == "following: is missing"


def test_an_interrupted_import_goes_on_and_counts_exactly(
    api: Api,
    app: Flask,
    accounts: list[Account],
    tmp_path: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [account.username for account in accounts]
    pairs = [(a, b) for a in names for b in names if a != b]
    records = [
        {"follower": a, "following": b, "created_at": f"2024-01-{n:02}"}
        for n, (a, b) in enumerate(pairs, 1)
    ]
    # One is there already, in the middle of a batch.
    api.post("follow/", {"following": accounts[3].id}, token=accounts[1].access)
    path = json_lines(tmp_path / "follows.jsonl", *records)
    monkeypatch.setattr(follow_import, "BATCH_ROWS", 5)
    write = follow_import._write
    done_batches: list[int] = []

    def interrupted(batch: Any) -> int:
        if len(done_batches) == 2:
            raise KeyboardInterrupt
        done_batches.append(write(batch))
        return done_batches[-1]

    with monkeypatch.context() as patch:
        patch.setattr(follow_import, "_write", interrupted)
        said = refused(app, *IMPORT, path, code=130)
    assert "run it again, and it goes on" in said
    assert done_batches == [5, 4]
    assert wrong_counters(database_url) == []
    assert done(app, *IMPORT, path) == "Added 2 follows; 10 were there already.\n"
    assert len(edges(database_url)) == len(pairs)
    assert wrong_counters(database_url) == []


@pytest.mark.usefixtures("accounts")
def test_ignored_columns_are_named_and_files_without_columns_refused(
    app: Flask, tmp_path: Path
) -> None:
    path = tmp_path / "follows.csv"
    path.write_text("id,follower,following\n1,ada,bob\n")
    result = run(app, *IMPORT, str(path))
    assert result.exit_code == 0
    assert "Ignored columns: id" in result.stderr
    assert "Follows: 1 of 1" in result.stderr
    path.write_text("a,b\n1,2\n")
    said = refused(app, *IMPORT, str(path), code=65)
    assert "must name the columns, as follower,following" in said
