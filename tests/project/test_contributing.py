"""The steps of CONTRIBUTING.md, done as it says, in a copy of the code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from careers_users.database import schema_version
from tests.live_server import PATIENCE, ROOT, environment

STEP = re.compile(
    r"\*\*\d\. [^*]+\*\*,[^`]*`([\w/.]+)`.*?```python\n(.*?)```", re.DOTALL
)
COPIED = ("careers_users", "migrations", "tests", "config.py", "setup.cfg", "wsgi.py")
TABLE = """

class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
"""


def part(heading: str) -> str:
    """Return the text under a heading."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    return text.partition(f"## {heading}")[2].partition("\n## ")[0]


def steps() -> list[tuple[str, str]]:
    """Return the files that the example names, and what goes into each."""
    return STEP.findall(part("Add a call"))


def copy(target: Path) -> None:
    """Copy the code."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, target / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, target / name)


def test_the_example_works(tmp_path: Path) -> None:
    found = steps()
    names = [name for name, _ in found]
    *code, test = names
    assert code == ["follow/queries.py", "follow/schemas.py", "follow/routes.py"]
    copy(tmp_path)
    for name, text in found:
        path = tmp_path / (name if name == test else f"careers_users/{name}")
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n\n{text}")

    env = {**os.environ, "CAREERS_USERS_TEST_DATABASES": "sqlite"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    done = subprocess.run(
        command,
        check=False,
        cwd=tmp_path,
        env=env,
        timeout=PATIENCE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_migration_is_drafted(tmp_path: Path) -> None:
    copy(tmp_path)
    with (tmp_path / "careers_users/models/tables.py").open(
        "a", encoding="utf-8"
    ) as models:
        models.write(TABLE)
    number = f"{int(schema_version.head() or 0) + 1:04d}"
    commands = re.search(r"```sh\n(.*?)```", part("Change the database"), re.DOTALL)
    assert commands
    script = commands[1].replace("NUMBER", number)
    done = subprocess.run(
        ["bash", "-eu"],
        check=False,
        input=script.replace(".venv/bin/flask", f"{sys.executable} -m flask"),
        cwd=tmp_path,
        env=environment({"PYTHONPATH": str(tmp_path)}),
        timeout=PATIENCE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    draft = tmp_path / f"migrations/versions/{number}_what_it_does.py"
    assert "create_table('notes'" in draft.read_text("utf-8").replace('"', "'")
