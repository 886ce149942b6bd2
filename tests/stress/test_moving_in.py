"""Moving in. Large files taken over, and interrupted in the middle."""

import json
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.live_server import (
    COMMAND,
    OWN_GROUP,
    PATIENCE,
    ask,
    environment,
    wrong_counters,
)

USERS = 100_000
FOLLOWERS = 10_000
FOLLOWS_OF_EACH = 100
# On a machine that is busy with other things.
MINUTES = 30


def write_users(path: Path, number: int) -> None:
    """Write so many users, as the earlier service would have."""
    with path.open("w", encoding="utf-8") as file:
        for n in range(1, number + 1):
            user: dict[str, Any] = {"id": 3 * n, "username": f"user_{n}"}
            user |= {"email": f"user_{n}@example.com", "password": "!"}
            user |= {"first_name": "Zoë", "bio": f"Number {n} of them", "avatar": None}
            user["date_joined"] = f"20{10 + n % 10}-01-02T03:04:05.{n:06}+00:00"
            file.write(json.dumps(user) + "\n")


def write_follows(path: Path) -> int:
    """Write who follows whom by old ids; return how many edges that are."""
    with path.open("w", encoding="utf-8") as file:
        file.write("follower,following,created_at\n")
        for n in range(1, FOLLOWERS + 1):
            for step in range(1, FOLLOWS_OF_EACH + 1):
                other = (n - 1 + 97 * step) % FOLLOWERS + 1
                moment = f"2023-{1 + step % 12:02}-03T04:05:06Z"
                file.write(f"{3 * n},{3 * other},{moment}\n")
    return FOLLOWERS * FOLLOWS_OF_EACH


def start(folder: Path, url: str, *words: str) -> "subprocess.Popen[str]":
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [*COMMAND, "users", *words],
        cwd=folder,
        env=environment(
            {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": "of no use here" * 3}
        ),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **OWN_GROUP,
    )


def done(folder: Path, url: str, *words: str) -> tuple[str, float]:
    """Run a command to its end; return its answer and the seconds it took."""
    begun = time.monotonic()
    process = start(folder, url, *words)
    answer, said = process.communicate(timeout=60 * MINUTES)
    assert process.returncode == 0, said
    return answer, time.monotonic() - begun


def interrupted(folder: Path, url: str, table: str, *words: str) -> int:
    """Run a command until it has written something, then Ctrl-C; return how much."""
    process = start(folder, url, *words)
    while not number(url, table):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, said
    assert "run it again, and it goes on" in said
    return number(url, table)


def number(url: str, table: str) -> int:
    """Return how many rows a table has."""
    found: int = ask(url, f"SELECT count(*) FROM {table}")[0][0]
    return found


def test_an_interrupted_move_goes_on(
    database_url: str, tmp_path: Path, figures: dict[str, str]
) -> None:
    """An import of 100,000 users with their ids, and one of a million follows, goes on
    after Ctrl-C when it is run again: every user and every follow is there once, and
    all counters are exact."""
    users, follows = tmp_path / "users.jsonl", tmp_path / "follows.csv"
    write_users(users, USERS)
    edges = write_follows(follows)
    words = ("import", str(users), "--keep-ids")
    first = interrupted(tmp_path, database_url, "users", *words)
    assert 0 < first < USERS
    answer, seconds = done(tmp_path, database_url, *words)
    assert answer == (f"Added {USERS - first} users; {first} were there already.\n")
    assert ask(database_url, "SELECT min(id), max(id) FROM users") == [(3, 3 * USERS)]
    figures["100,000 users"] = f"{seconds:.0f} s"

    words = ("import-follows", str(follows), "--ids")
    first = interrupted(tmp_path, database_url, "follows", *words)
    assert 0 < first < edges
    answer, seconds = done(tmp_path, database_url, *words)
    assert answer == f"Added {edges - first} follows; {first} were there already.\n"
    assert number(database_url, "follows") == edges
    figures["a million follows"] = f"{seconds:.0f} s"
    assert wrong_counters(database_url) == []
