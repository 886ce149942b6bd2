"""The steps of CONTRIBUTING.md, done as they stand there, in a copy of the code."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from careers_users.database import schema_version
from tests.live_server import ROOT, Client, Server, environment

PATIENCE = 300  # Seconds for the tests that a contributor runs, on a busy machine.
STEP = re.compile(
    r"\*\*\d\. [^*]+\*\*[,:][^`]*`([\w/.]+)`.*?```\w+\n(.*?)```", re.DOTALL
)
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
NOT_COPIED = (".*", "__pycache__", "instance", "node_modules", "*.egg-info", "build")
CODE = ("follow/queries.py", "follow/schemas.py", "follow/routes.py")


def copy(target: Path) -> None:
    """Copy the code, as a clone has it."""
    ignored = shutil.ignore_patterns(*NOT_COPIED)
    shutil.copytree(ROOT, target, ignore=ignored, dirs_exist_ok=True)
    for name in (".dockerignore", ".gitignore"):
        shutil.copy(ROOT / name, target)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy the code into a repository; return its directory."""
    target = tmp_path / "clone"
    copy(target)
    for words in (("init", "--quiet"), ("add", "--all")):
        subprocess.run(["git", *words], cwd=target, check=True, timeout=PATIENCE)
    return target


def part(heading: str) -> str:
    """Return the text under a heading."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    return text.partition(f"## {heading}")[2].partition("\n## ")[0]


def steps() -> list[tuple[str, str]]:
    """Return the files that the example of a call names, and what goes into each."""
    return STEP.findall(part("Add a call"))


def run(folder: Path, script: str) -> str:
    """Run the commands of the page in a copy; return what they print."""
    script = re.sub(r"\.venv/bin/python\b", sys.executable, script)
    for name, module in (
        ("careers-users", "careers_users"),
        ("flask", "flask"),
        ("pytest", "pytest -q -p no:cacheprovider"),
    ):
        script = script.replace(f".venv/bin/{name}", f"{sys.executable} -m {module}")
    chosen = {"CAREERS_USERS_TEST_DATABASES": "sqlite", "PYTHONPATH": str(folder)}
    done = subprocess.run(
        ["bash", "-eu"],
        check=False,
        input=script,
        cwd=folder,
        env=environment(chosen),
        timeout=PATIENCE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def add_call(folder: Path) -> None:
    """Do what the steps say, as far as it has not been done."""
    *code, test, words = [name for name, _ in steps()]
    assert tuple(code) == CODE
    assert words == "docs/api.md"
    for name, text in steps():
        path = folder / (f"careers_users/{name}" if name in CODE else name)
        before = path.read_text("utf-8") if path.exists() else ""
        if text in before:
            continue
        if name == words:
            table = re.search(r"(?:^\| `[A-Z]+ .*\n)+", before, re.MULTILINE)
            assert table
            path.write_text(before.replace(table[0], table[0] + text, 1), "utf-8")
        else:
            path.write_text(f"{before}\n\n{text}" if before else text, "utf-8")
    assert test == "tests/follow/test_follows_me.py"


def test_a_call_is_added(clone: Path) -> None:
    add_call(clone)
    (commands,) = SHELL.findall(part("Add a call"))
    # The parts of these folders that a new call can break.
    chosen = (
        "tests/follow/test_follows_me.py tests/http/openapi/test_openapi.py "
        "tests/project/test_docs.py tests/project/test_architecture.py"
    )
    folders = "tests/follow tests/http/openapi tests/project"
    assert folders in commands
    run(clone, commands.replace(folders, chosen))
    document = json.loads((clone / "docs/openapi.json").read_text("utf-8"))
    assert "/careers/users/{username}/follows-me/" in document["paths"]


def test_a_call_that_was_added_for_real_is_no_mistake(clone: Path) -> None:
    add_call(clone)
    before = {path: path.read_bytes() for path in clone.rglob("*.*") if path.is_file()}
    add_call(clone)
    assert before == {path: path.read_bytes() for path in before}


def test_the_database_is_changed(clone: Path) -> None:
    text = part("Change the database")
    column = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert column
    models = clone / "careers_users/models/tables.py"
    beside = "    email_key: Mapped[str] = mapped_column(Folded)\n"
    assert beside in models.read_text("utf-8")
    models.write_text(
        models.read_text("utf-8").replace(beside, beside + column[1], 1), "utf-8"
    )
    number = f"{int(schema_version.head() or 0) + 1:04d}"
    commands = SHELL.findall(text)[0].replace("NUMBER", number)
    chosen = (
        "tests/database/test_migrations.py tests/database/test_triggers.py "
        "tests/database/test_migrations_rebuild.py tests/database/test_tables.py"
    )
    assert " tests/database " in commands
    run(clone, commands.replace("tests/database", chosen))

    (draft,) = (clone / "migrations/versions").glob(f"{number}_*.py")
    written = draft.read_text("utf-8").replace('"', "'")
    assert "op.add_column('users'" in written
    assert "op.drop_column('users', 'pronouns')" in written
    assert "batch" not in written
    # There and back on the database of the clone, whose triggers stay.
    run(clone, ".venv/bin/flask db downgrade --yes\n.venv/bin/flask db upgrade")
    found = json.loads(run(clone, ".venv/bin/careers-users check --json"))
    states = {each["name"]: each["state"] for each in found["checks"]}
    assert (states["migrations"], states["triggers"]) == ("ok", "ok")


def test_the_first_ten_minutes(clone: Path) -> None:
    """Serve, look at the page, follow, ask the command line, run a test, add a call."""
    place = {"PYTHONPATH": str(clone)}
    with Server(clone, **place) as server, Client(server.port) as client:
        assert f"http://127.0.0.1:{server.port}/docs/" in server.log
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/docs/") as page:
            assert b"swagger-ui" in page.read()
        alice, bob = (client.register(name).body["access"] for name in ("alice", "bob"))
        assert client.call("POST", "follow/", {"username": "bob"}, alice).status == 201
        assert server.stop() == 0
    shown = run(clone, ".venv/bin/careers-users users show alice --json")
    assert json.loads(shown)["following_count"] == 1
    run(clone, ".venv/bin/pytest tests/follow/test_unfollow.py")

    add_call(clone)
    with Server(clone, **place) as server, Client(server.port) as client:
        answer = client.call("GET", "alice/follows-me/", token=bob)
        assert (answer.status, answer.body) == (200, {"follows_me": True})
        assert server.stop() == 0
