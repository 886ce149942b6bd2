"""The shipped files: the lock file, the listed packages, no traces of a machine."""

import configparser
import re
import subprocess
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([a-z0-9-]+)(?:\[\w+\])?==(\S+)", re.MULTILINE)
_URL = re.compile(r"index-url|--find-links|\"resolved\":")


def setup_cfg() -> configparser.ConfigParser:
    """Return what setup.cfg says."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def requirements() -> list[Requirement]:
    """Return the requirements in setup.cfg."""
    lines = setup_cfg()["options"]["install_requires"].split("\n")
    return [Requirement(line) for line in lines if line]


def tracked() -> list[Path]:
    """Return the files of the repository, as git or the tree knows them."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        )
        names = done.stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py")]
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_the_lock_file_pins_all_that_is_needed_to_a_version_that_is_allowed() -> None:
    pins = dict(_PIN.findall((ROOT / "requirements.lock").read_text("utf-8")))
    assert len(requirements()) > 10
    for requirement in requirements():
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_no_file_names_a_registry_or_a_place_on_a_machine() -> None:
    place = re.compile(r"(?<![\w.])/(?:work|farm|root|home/\w+)/")
    for path in tracked():
        if path == Path(__file__) or path.suffix in (".svg", ".png", ".gz"):
            continue
        text = path.read_text("utf-8")
        assert not _URL.search(text), path
        assert not place.search(text), path


def test_the_top_level_holds_little() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert names <= {
        *("wsgi.py", "config.py", "setup.cfg", "pyproject.toml", "requirements.lock"),
        *("careers_users", "migrations", "clients", "tests", "docs", "examples"),
        *("benchmarks", "deploy", ".ci", ".dockerignore", ".gitignore"),
        *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
    }
