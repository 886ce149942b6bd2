"""docs/activity.md, run as it stands: the line with curl, and the sender in Python."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from careers_users.post_events.schemas import MOVES, SNAPSHOT, STATUSES
from tests import live_server
from tests.live_server import Client, Server
from tests.post_events.posts_service import TOKENS, event

DOCUMENT = Path(__file__).parents[2] / "docs" / "activity.md"
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    """Return the pieces of code of a language in the document."""
    text = DOCUMENT.read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    """Yield the service, with a credential and a user."""
    settings = {
        "DATABASE_URL": database_url,
        "CAREERS_USERS_JWT_SECRET_KEY": live_server.KEY,
    }
    settings["CAREERS_USERS_EVENTS_TOKENS"] = ",".join(TOKENS)
    with Server(tmp_path, **settings) as server:
        with Client(server.port) as client:
            assert client.register("alice").status == 201
        yield server


def numbers(server: Server) -> tuple[int, ...]:
    """Alice's posts, likes and comments."""
    with Client(server.port) as client:
        stats = client.call("GET", "alice/stats/").body
    return tuple(
        stats[name] for name in ("posts_count", "likes_received", "comments_received")
    )


def test_the_line_with_curl_gives_the_reply_shown(server: Server) -> None:
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            pytest.fail(f"The document needs {program}; please install it.")
    command = blocks("sh")[0].replace(ADDRESS, f"http://127.0.0.1:{server.port}")
    done = subprocess.run(
        ["bash", "-eu"],
        input=command,
        env={**os.environ, "EVENTS_TOKEN": TOKENS[0]},
        capture_output=True,
        text=True,
        timeout=live_server.PATIENCE,
        check=True,
    )
    assert json.loads(done.stdout) == json.loads(blocks("json")[0])
    assert numbers(server) == (1, 0, 0)


def test_the_sender_sends_and_tells_what_was_of_no_use(server: Server) -> None:
    (sender,) = blocks("python")
    code_lines = [line for line in sender.splitlines() if line.strip()]
    assert len(code_lines) <= 25
    snapshot = json.loads(blocks("json")[1])
    events = [
        snapshot,
        event("like.added", "alice", 1),
        event("post.created", "nobody", id_="lost"),
    ]
    program = f"{sender}\nprint(json.dumps(send({events!r}) + send({events!r})))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "USERS_URL": f"http://127.0.0.1:{server.port}",
            "EVENTS_TOKEN": TOKENS[1],
        },
        capture_output=True,
        text=True,
        timeout=live_server.PATIENCE,
        check=True,
    )
    useless = json.loads(done.stdout)
    assert [result["id"] for result in useless] == ["lost", "lost"]
    assert numbers(server) == (15, 157, 89)


def test_the_sender_tells_what_a_refusal_says(server: Server) -> None:
    (sender,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", f"{sender}\nsend([{{}}] * 101)"],
        env={
            **os.environ,
            "USERS_URL": f"http://127.0.0.1:{server.port}",
            "EVENTS_TOKEN": TOKENS[1],
        },
        capture_output=True,
        text=True,
        timeout=live_server.PATIENCE,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ValueError: {"), done.stderr
    assert json.loads(last.partition(" ")[2])["code"] == "validation_failed"


def test_every_type_and_status_has_its_row() -> None:
    text = DOCUMENT.read_text("utf-8")
    for word in (*MOVES, SNAPSHOT):
        assert re.search(rf"^\| .*`{re.escape(word)}`.* \|", text, re.MULTILINE), word
    rows = re.findall(
        r"^\| `([a-z_]+)` \| .* \| (?:no|send it).*\|$", text, re.MULTILINE
    )
    assert rows == list(STATUSES)
