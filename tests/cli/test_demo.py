"""`demo`: believable users, the same for the same numbers, all or none."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from careers_users.cli.demo import people
from careers_users.cli.demo.people import Size
from tests.api import Api
from tests.cli.command import done, refused, run
from tests.live_server import OWN_GROUP, PATIENCE, ask, environment, wrong_counters

WORDS = ("demo", "--users", "60", "--edges", "200")
PEOPLE = (
    "SELECT username, email, first_name, last_name, bio, avatar, search_text"
    " FROM users ORDER BY id"
)
EDGES = (
    "SELECT a.username, b.username FROM follows JOIN users a ON a.id = follower_id"
    " JOIN users b ON b.id = following_id ORDER BY follows.id"
)
# The console command, also where the tests run in the background and ignore Ctrl-C.
LISTENING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from careers_users.__main__ import main; main()
"""


def test_demo_fills_an_empty_database(api: Api, app: Flask, database_url: str) -> None:
    result = run(app, *WORDS)
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "Added 60 users and 200 follows. Sign in as celebrity with the password "
        "password123; ida_stein is suspended.\n"
    )
    assert result.stderr.startswith("Warning: everybody who can reach this service")
    assert wrong_counters(database_url) == []
    assert api.get("").json["batch_info"]["total_users"] == 59
    assert api.get("ida_stein/").status_code == 404
    parked = ask(database_url, "SELECT count(*) FROM parked_follows")[0][0]
    assert ask(database_url, "SELECT count(*) FROM follows") == [(200 - parked,)]

    star = api.get("celebrity/").json
    others = {row[0]: row[1] for row in ask(database_url, _FOLLOWERS)}
    assert star["followers_count"] == max(others.values()) == 29
    assert len(set(others.values())) > 5, "some are followed more than others"
    login = api.post("login/", {"username": "celebrity", "password": "password123"})
    assert login.status_code == 200
    assert api.get("?search=ornithology").json["batch_info"]["total_users"] == 1
    # The next user gets a new number.
    assert api.register("later").id == 61


_FOLLOWERS = (
    "SELECT username, followers_count FROM users"
    " JOIN user_counters ON user_id = users.id"
)


def test_the_same_numbers_make_the_same_users(
    api: Api, app: Flask, database_url: str
) -> None:
    done(app, *WORDS)
    first = ask(database_url, PEOPLE), ask(database_url, EDGES)
    for (name,) in ask(database_url, "SELECT username FROM users"):
        done(app, "users", "delete", name, "--yes")
    assert api.get("").json["batch_info"]["total_users"] == 0
    assert wrong_counters(database_url) == []

    done(app, *WORDS)
    assert (ask(database_url, PEOPLE), ask(database_url, EDGES)) == first
    other = [row["username"] for row in people.people(Size(60, 200, 2), "", range(60))]
    assert other != [row[0] for row in first[0]]


def test_demo_refuses_a_database_in_use_unless_told(
    api: Api, app: Flask, database_url: str
) -> None:
    api.register("celebrity")
    api.register("alice")
    result = run(app, *WORDS)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There are 2 users here already; --add adds to them." in result.stderr
    assert api.get("").json["batch_info"]["total_users"] == 2

    done(app, *WORDS, "--add")
    done(app, *WORDS, "--add")
    assert api.get("").json["batch_info"]["total_users"] == 120
    assert api.get("celebrity/").json["followers_count"] == 0
    assert api.get("celebrity2/").json["followers_count"] == 29
    assert wrong_counters(database_url) == []
    if database_url.startswith("sqlite"):
        # The index has made one part of what was written at four times.
        parts = "SELECT count(DISTINCT segid) FROM users_search_idx"
        assert [*ask(database_url, parts)] == [(1,)]


def test_sizes_that_can_not_be(app: Flask) -> None:
    refused(app, "demo", "--users", "9", code=2)
    said = refused(app, "demo", "--users", "10", "--edges", "12", code=2)
    assert "edges for an eighth of all pairs" in said


def test_after_an_error_half_way_nothing_is_there(
    api: Api, app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    follows = people.follows

    def interrupted(*arguments: Any) -> Any:
        yield from list(follows(*arguments))[:100]
        raise KeyboardInterrupt

    monkeypatch.setattr(people, "follows", interrupted)
    result = run(app, *WORDS)
    assert result.exit_code == 130
    assert "Interrupted; nothing was changed." in result.stderr
    for table in ("users", "user_counters", "follows"):
        assert ask(database_url, f"SELECT count(*) FROM {table}") == [(0,)]
    assert api.get("").json["batch_info"]["total_users"] == 0


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C can't be sent to one here")
def test_ctrl_c_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LISTENING, "demo", "--users", "50000"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment({"DATABASE_URL": database_url}),
        stderr=subprocess.PIPE,
        text=True,
        **OWN_GROUP,
    ) as process:
        assert process.stderr is not None
        try:
            assert process.stderr.readline().startswith("Warning: ")
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
            code = process.wait(PATIENCE)
        finally:
            process.kill()
    assert code == 130, said
    assert said.endswith("careers-users: Interrupted; nothing was changed.\n")
    assert ask(database_url, "SELECT count(*) FROM users") == [(0,)]
