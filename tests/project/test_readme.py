"""The README's walk through the API, run as it stands, in a shell, with curl."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.live_server import KEY, Server

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:8000"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
# Stands between the outputs of two commands.
MARK = "----- next -----"


def walk() -> list[tuple[str, Any]]:
    """Return the commands of the walk, each with the reply shown under it, if any."""
    steps: list[tuple[str, Any]] = []
    for block in re.findall(
        r"```console\n(.*?)```", README.read_text("utf-8"), re.DOTALL
    ):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line.removeprefix("$ "), None))
            else:
                assert steps[-1][1] is None, "a reply is one line"
                shown = json.loads(line)
                # As it is sent, without spaces.
                assert line == json.dumps(shown, separators=(",", ":")), line
                steps[-1] = (steps[-1][0], shown)
    return steps


def masked(value: Any) -> Any:
    """Return a reply without what is different each time: times and tokens."""
    if isinstance(value, dict):
        return {
            name: "TOKEN" if name in ("access", "refresh") and item else masked(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [masked(item) for item in value]
    return "TIME" if isinstance(value, str) and _TIME.fullmatch(value) else value


def test_the_walk_gives_the_replies_shown(database_url: str, tmp_path: Path) -> None:
    for program in ("bash", "curl", "sed"):
        if shutil.which(program) is None:
            pytest.fail(f"The README's walk needs {program}; please install it.")
    steps = walk()
    assert len(steps) > 15
    settings = {"DATABASE_URL": database_url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    with Server(tmp_path, **settings) as server:
        address = f"http://127.0.0.1:{server.port}"
        lines = [f"{command}; echo '{MARK}'" for command, _ in steps]
        script = "\n".join(lines).replace(ADDRESS, address)
        done = subprocess.run(
            ["bash", "-eu"],
            input=script,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    outputs = done.stdout.split(MARK)
    for (command, shown), output in zip(steps, outputs, strict=False):
        if shown is None:
            assert output.strip() == "", command
        else:
            reply = json.loads(output)
            assert output.endswith("}\n"), f"no line end: {command}"
            text = json.dumps(reply, separators=(",", ":"), ensure_ascii=False)
            assert output.strip() == text, f"another form than shown: {command}"
            assert masked(reply) == masked(shown), command
            assert list(reply) == list(shown), f"the order of fields: {command}"


def table(path: Path, heading: str) -> dict[str, list[str]]:
    """Return the rows of the first table below a heading, by their first cell."""
    below = path.read_text("utf-8").split(heading, 1)[1].split("\n| ", 1)[1]
    rows = [
        line.strip("| ").split(" | ") for line in below.split("\n\n")[0].split("\n")
    ]
    return {row[0]: row[1:] for row in rows}


def test_the_first_screen_shows_the_figures_of_the_performance_page() -> None:
    page = README.parent / "docs/performance.md"
    ours = table(page, "## Against a bare Flask route")
    ours = {name.split(" (")[0]: cells for name, cells in ours.items()}
    others = table(page, "## Against the same calls in other frameworks")
    shown = table(README, "## Why not write it yourself")
    for call in list(shown)[2:]:
        drf, fastapi = others[call][0], others[call][6]
        assert shown[call] == [ours[call][0], drf, fastapi], call
    assert len(shown) == 6
