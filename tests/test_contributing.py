"""CONTRIBUTING.md's example of a new call, done as it says, in a copy of the code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.served import PATIENCE, ROOT

STEP = re.compile(
    r"\*\*\d\. [^*]+\*\*,[^`]*`([\w/.]+)`.*?```python\n(.*?)```", re.DOTALL
)
COPIED = ("careers_users", "migrations", "tests", "config.py", "setup.cfg")


def steps() -> list[tuple[str, str]]:
    """The files that the example names, and what goes into each."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    example = text.partition("## Add a call")[2].partition("\n## ")[0]
    return STEP.findall(example)


def test_the_example_works(tmp_path: Path) -> None:
    found = steps()
    names = [name for name, _ in found]
    *code, test = names
    assert code == ["follow/queries.py", "follow/schemas.py", "follow/routes.py"]
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
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
