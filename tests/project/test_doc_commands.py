"""Commands in the documents: their programs and files exist."""

import re
from pathlib import Path

import pytest

from tests.project.documents import DOCUMENTS, ROOT

# Programs that the shell blocks may call beside those of this repository.
_PROGRAMS = (
    "apt-get brew case chown curl docker echo esac eval export for do done install "
    "nginx npm pg_dump pg_restore psql python python3 systemctl unset useradd "
    "while".split()
)


# ... and the services that other packages bring.
_UNITS = {"nginx", "patroni", "pgbouncer", "postgresql"}


# CONTRIBUTING.md shows how to write it.
_EXAMPLE = "tests/follow/test_follows_me.py"


_BROUGHT = "careers-users flask mypy pip pytest python ruff".split()


def shell_commands(path: Path) -> set[str]:
    """Return the first words of all commands in a document's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    # Quotes hold no commands here.
    text = re.sub(r"'[^']*'", "_", re.sub(r'"[^"\n]*"', "_", text))
    commands = [line.strip() for line in re.split(r"\n|&&|;", text)]
    without_variables = [re.sub(r"^(\w+=\S* +)+", "", one) for one in commands]
    words = [one.split()[0] for one in without_variables if one]
    return {word for word in words if not re.match(r"\w+=|#|\.$", word)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_shell_blocks_exist(path: Path) -> None:
    for word in shell_commands(path):
        name = word.rpartition("/")[2]
        is_ours = name in _BROUGHT or (ROOT / word).is_file()
        assert word in _PROGRAMS or is_ours, f"{word} in {path.name}"


def test_shell_commands_are_found_at_all() -> None:
    assert {"psql", "careers-users", "/opt/careers_users/.venv/bin/pip", "nginx"} <= (
        shell_commands(ROOT / "docs/deployment.md")
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_named_in_commands_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    named = re.findall(r"(?<![\w/.])(?:deploy|docs|tests|migrations)/[\w./@-]*\w", text)
    for name in set(named) - {_EXAMPLE}:
        assert (ROOT / name).exists() or (path.parent / name).exists(), name
    units = {
        file.name.partition("@")[0] for file in (ROOT / "deploy/systemd").iterdir()
    }
    for unit in re.findall(r"systemctl \w+ (?:--now )?'?([\w.-]+)@?", text):
        assert unit.partition("@")[0] in units | _UNITS, unit
