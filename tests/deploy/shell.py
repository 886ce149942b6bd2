"""The commands of the documents, run as they stand, in a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.live_server import PATIENCE, ROOT, environment


def block(document: str, heading: str, number: int = 0) -> str:
    """Return a shell block under a heading of a document in docs/."""
    text = (ROOT / "docs" / document).read_text("utf-8")
    part = re.search(
        rf"^#+ {re.escape(heading)}\n((?:(?!##).*\n)*)", text, re.MULTILINE
    )
    assert part, f"{document} has no part {heading!r}"
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", part[1], re.DOTALL)
    return blocks[number]


def checkout(folder: Path) -> Path:
    """Make `folder` look like a checkout with `careers-users` on the PATH."""
    programs = folder / "bin"
    programs.mkdir()
    command = programs / "careers-users"
    code = "from careers_users.__main__ import main; main()"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    command.chmod(0o755)
    (programs / "python3").symlink_to(sys.executable)
    (folder / "deploy").symlink_to(ROOT / "deploy")
    return folder


def run(folder: Path, script: str, path: str = "", **variables: str) -> str:
    """Run a script in a folder that `checkout` has made; return what it prints.

    `path` is searched for programs before the usual places.
    """
    script = script.replace("/opt/careers_users/.venv/bin/", "")
    env = environment(variables)
    env["PATH"] = os.pathsep.join([str(folder / "bin"), path, os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail"],
        check=False,
        input=script,
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
