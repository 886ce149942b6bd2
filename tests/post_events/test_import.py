"""careers-users activity import FILE, and the job that forgets old events."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event as sql_event
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from careers_users import clock
from careers_users.database import pruning
from careers_users.extensions import db
from config import TestConfig
from tests.api import Account, Api
from tests.jobs.run import run_jobs
from tests.post_events.posts_service import event, numbers, send, statuses


def run(app: Flask, *words: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and what it writes to stdout and stderr."""
    result = app.test_cli_runner().invoke(
        args=["activity", *words], catch_exceptions=False
    )
    return result.exit_code, result.stdout, result.stderr


def write(path: Path, events: list[Any]) -> str:
    """Write a file with an event on each line; return its name."""
    lines = (line if isinstance(line, str) else json.dumps(line) for line in events)
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


@pytest.mark.usefixtures("alice")
def test_a_history_is_taken_in_once(api: Api, app: Flask, tmp_path: Path) -> None:
    story = [event("post.created", "alice", second) for second in range(1200)]
    story += [event("like.added", 1, second) for second in range(30)]
    file = write(tmp_path / "history.jsonl", story)

    code, output, _ = run(app, "import", file)
    expected = "1230 applied, 0 duplicate, 0 stale, 0 unknown_user, 0 invalid\n"
    assert (code, output.splitlines()[-1] + "\n") == (0, expected)
    assert numbers(api, "alice") == [1200, 30, 0]

    code, output, _ = run(app, "import", file)
    assert code == 0
    assert "0 applied, 1230 duplicate" in output
    assert numbers(api, "alice") == [1200, 30, 0]


@pytest.mark.usefixtures("alice")
def test_lines_of_no_use_are_named(api: Api, app: Flask, tmp_path: Path) -> None:
    lines: list[Any] = [
        event("post.created", "alice"),
        "",
        event("post.created", "nobody", id_="it"),
        "{",
        {**event("post.created", "alice"), "type": "post.read"},
        event("post.created", "alice"),
    ]
    code, output, errors = run(app, "import", write(tmp_path / "events", lines))
    assert code == 1
    assert "2 applied, 0 duplicate, 0 stale, 1 unknown_user, 2 invalid" in output
    shown = [line for line in errors.splitlines() if line.startswith("line")]
    assert [line.partition(":")[0] for line in shown] == ["line 3", "line 4", "line 5"]
    assert shown[0] == "line 3: it: unknown_user"
    assert "type: Must be one of" in shown[2]
    assert numbers(api, "alice") == [2, 0, 0]
    many = write(tmp_path / "many", ["x"] * 50)
    code, output, errors = run(app, "import", many)
    assert (code, errors.count("line 2")) == (1, 2)  # 2 and 20, of the first 20.
    assert "... and more lines like these." in errors


@pytest.mark.usefixtures("alice")
def test_an_import_that_was_stopped_goes_on(
    api: Api, app: Flask, tmp_path: Path
) -> None:
    story = [event("post.created", "alice", second) for second in range(1200)]
    file = write(tmp_path / "history.jsonl", story)
    seen = 0

    def fail(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal seen
        seen += statement.startswith("INSERT INTO activity_events")
        if seen == 3:
            raise OperationalError(statement, {}, Exception("the disk is full"))

    with app.app_context():
        engine = db.engine
    sql_event.listen(engine, "before_cursor_execute", fail)
    code, _, errors = run(app, "import", file)
    sql_event.remove(engine, "before_cursor_execute", fail)

    assert code == 1
    assert "Stopped after line 1000." in errors
    assert "the disk is full" in errors
    assert numbers(api, "alice") == [1000, 0, 0]
    code, output, _ = run(app, "import", "--from-line", "1001", file)
    assert code == 0
    assert "200 applied, 0 duplicate" in output
    assert numbers(api, "alice") == [1200, 0, 0]


def test_a_file_that_is_not_there(app: Flask, tmp_path: Path) -> None:
    code, _, errors = run(app, "import", str(tmp_path / "nothing"))
    assert code == 1
    assert "can't be read: No such file or directory." in errors


def test_old_events_are_forgotten_and_new_ones_are_not(
    api: Api,
    app: Flask,
    alice: Account,
    settings: TestConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pruning, "PRUNE_ROWS", 7)
    old = [event("post.created", alice.id) for _ in range(20)]
    new = [event("post.created", alice.id) for _ in range(3)]
    send(api, old)
    age = clock.utcnow() - timedelta(days=settings.events_retention_days, seconds=1)
    with app.app_context(), db.engine.begin() as connection:
        shown = age.strftime("%Y-%m-%d %H:%M:%S.000000")
        zone = "" if connection.dialect.name == "sqlite" else "+00:00"
        connection.execute(
            text(f"UPDATE activity_events SET received_at = '{shown}{zone}'")
        )
    send(api, new)

    assert run_jobs(app, "old-post-events") == 20
    assert run_jobs(app, "old-post-events") == 0
    assert statuses(send(api, new)) == ["duplicate"] * 3
    # The counters stay, and what was forgotten would count again.
    assert numbers(api, "alice") == [23, 0, 0]
    assert statuses(send(api, old[0])) == ["applied"]


def test_text_of_events_is_printed_escaped(app: Flask, tmp_path: Path) -> None:
    lines = [
        event("post.created", "nobody", id_="\u202eline 9: all is well"),
        {**event("post.created", "nobody"), "subject": "a\nline 9: all is well"},
        {**event("post.created", "nobody"), "\x1b[2J": 1, "type": "\x1b[2J"},
        '{"id\\u001b[2J": 1, "id\\u001b[2J": 2}',
    ]
    for place, character in (("id", "\n"), ("source", "\x9b"), ("id", "\ufdd0")):
        lines.append({**event("post.created", "nobody"), place: f"a{character}b"})
    code, output, errors = run(app, "import", write(tmp_path / "events", lines))
    assert code == 1
    assert "1 unknown_user, 6 invalid" in output
    shown = [line for line in errors.splitlines() if line.startswith("line")]
    assert shown[0] == "line 1: \\u202eline 9: all is well: unknown_user"
    assert [line.split(":")[0] for line in shown] == [f"line {n}" for n in range(1, 8)]
    assert not any(c in errors for c in "\x1b\x9b\u202e\ufdd0")
