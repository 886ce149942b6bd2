"""Node.js for the tests: generators, a compiler, a linter and libraries of npm's.

A package-lock.json pins them: that of `tests/npm` or, for the example page, its own.
They are installed once, into pytest's cache.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy import programs

_PACKAGES = Path(__file__).with_name("npm")
# Seconds until a program of Node's is given up, on a machine that is busy.
_PATIENCE_SECONDS = 300


class Node:
    """The programs of Node.js and of npm's packages."""

    def __init__(self, modules: Path) -> None:
        self.modules = modules

    def run(
        self, folder: Path, program: str, *words: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program of the packages, or `node`, where they can be imported."""
        link = folder / "node_modules"
        if not link.exists():
            link.symlink_to(self.modules, target_is_directory=True)
        path = self.modules / ".bin" / program
        command = programs.path("node") if program == "node" else str(path)
        quiet = {"REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "REDOCLY_TELEMETRY": "off"}
        return subprocess.run(
            [command, *words],
            cwd=folder,
            env=os.environ | quiet,
            check=False,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
        )


def installed(packages: Path, config: pytest.Config) -> Node:
    """Install the packages that a folder's lock file names, unless they are there."""
    for name in ("node", "npm"):
        if programs.find(name) is None:
            pytest.fail(f"There is no {name}: install {programs.PACKAGES[name]}.")
    cache = config.cache.mkdir("npm")
    lock = (packages / "package-lock.json").read_bytes()
    place = cache / hashlib.sha256(lock).hexdigest()[:16]
    if not place.exists():
        # Renamed when it is whole: other processes of pytest may be at it as well.
        own = cache / f"{place.name}-{os.getpid()}"
        own.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(packages / name, own)
        words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            [programs.path("npm"), *words],
            cwd=own,
            check=False,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        try:
            own.rename(place)
        except OSError:  # Another process was faster.
            shutil.rmtree(own)
    return Node(place / "node_modules")


@pytest.fixture(scope="session")
def node(pytestconfig: pytest.Config) -> Node:
    """Return the programs of Node.js that the tests run."""
    return installed(_PACKAGES, pytestconfig)
