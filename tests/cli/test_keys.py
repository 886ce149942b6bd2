"""careers-users keys: the file it makes, what it refuses, and what a server refuses."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from careers_users.keys import KeyRingError, read_ring
from tests import live_server
from tests.in_process import run

needs_modes = pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the key ring is."""
    return tmp_path / "keys.json"


def keys(path: Path, *words: str) -> tuple[int, str]:
    """Run `careers-users keys ...`; return its exit code and all that it says."""
    env = {"CAREERS_USERS_JWT_KEY_RING": str(path)}
    done = run(path.parent, "keys", *words, **env)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_ring_is_made_listed_and_rotated(path: Path) -> None:
    code, said = keys(path, "generate")
    first = read_ring(path).keys[0]
    assert (code, said) == (0, f"Made {path} with the EdDSA key {first.kid}.\n")
    assert not (path.parent / "instance/jwt_secret_key").exists(), "no other is needed"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    assert keys(path, "rotate", "--algorithm", "RS256", "--delay", "5")[0] == 0
    old, new = read_ring(path).keys
    assert (old.kid, old.algorithm, new.algorithm) == (first.kid, "EdDSA", "RS256")
    assert 290 < new.use_from - old.use_from < 310 + live_server.PATIENCE
    code, said = keys(path, "list")
    lines = said.splitlines()
    assert code == 0
    assert lines[0].startswith(f"{old.kid}  EdDSA   signs since ")
    assert lines[1].startswith(f"{new.kid}  RS256   published, signs from ")
    assert "PRIVATE" not in said
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.glob("keys*")] == ["keys.json"]


def test_files_that_are_there_are_not_overwritten(path: Path) -> None:
    keys(path, "generate")
    before = path.read_bytes()

    code, said = keys(path, "generate")
    assert code == 73
    assert "is there already" in said
    assert path.read_bytes() == before
    # Another command is at it, or was stopped half way.
    (path.parent / "keys.json.new").touch()
    code, said = keys(path, "rotate")
    assert code == 73
    assert "another command is writing" in said
    assert path.read_bytes() == before


def test_rotations_at_once_lose_no_key(path: Path) -> None:
    env = {"CAREERS_USERS_JWT_KEY_RING": str(path)}
    made = live_server.run(path.parent, "keys", "generate", **env)
    assert made.returncode == 0, made.stderr

    def rotate(_: int) -> int:
        return live_server.run(path.parent, "keys", "rotate", **env).returncode

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(rotate, range(4)))
    done = codes.count(0)
    assert done >= 1
    assert set(codes) <= {0, 73}
    assert len(read_ring(path).keys) == 1 + done


def test_without_a_ring_the_commands_say_what_to_do(path: Path) -> None:
    code, said = keys(path, "rotate")
    assert code == 78
    assert "Make one with: careers-users keys generate" in said
    assert not list(path.parent.glob("keys*"))
    done = run(path.parent, "keys", "list")
    assert done.returncode == 2
    assert "CAREERS_USERS_JWT_KEY_RING" in done.stderr
    done = run(path.parent, "keys", "generate", "--file", str(path))
    assert done.returncode == 0, done.stderr
    assert path.exists()


def test_a_server_does_not_start_without_good_keys(path: Path) -> None:
    env = {"CAREERS_USERS_JWT_KEY_RING": str(path), "PORT": "0"}
    done = run(path.parent, "serve", **env)
    assert (done.returncode, done.stdout) == (78, "")
    assert "careers-users keys generate" in done.stderr
    path.write_text("{}")
    path.chmod(0o600)
    done = run(path.parent, "serve", **env)
    assert done.returncode == 78
    assert "is no key ring" in done.stderr


@needs_modes
@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o444])
def test_a_ring_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    keys(path, "generate")
    path.chmod(mode)
    with pytest.raises(KeyRingError, match="chmod o="):
        read_ring(path)


def test_a_ring_damaged_after_the_start_is_read_by_no_process(path: Path) -> None:
    keys(path, "generate")
    env = {"CAREERS_USERS_JWT_KEY_RING": str(path), "CAREERS_USERS_PROCESSES": "2"}
    if not hasattr(os, "fork"):
        env["CAREERS_USERS_PROCESSES"] = "1"
    with live_server.Server(path.parent, **env) as server:
        assert server.port
        path.write_text("{}")
        # Several connections, so that both processes are asked.
        for number in range(8):
            with live_server.Client(server.port) as client:
                assert client.register(f"user{number}").status == 201


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"alg": "EdDSA"', '"alg": "RS256"'),
        ('"alg": "EdDSA"', '"alg": "none"'),
        ('"alg": "EdDSA"', '"alg": "HS512"'),
        ('"use_from": ', '"use_from": "x", "was": '),
        ('"kid": "', '"kid": "../'),
        ('"secret": "', '"secret": "x", "was": "'),
        ("BEGIN PRIVATE KEY", "BEGIN PUBLIC KEY"),
        ('"keys": [', '"keys": [[], '),
    ],
)
def test_a_ring_with_something_wrong_in_it_is_refused(
    path: Path, old: str, new: str
) -> None:
    keys(path, "generate")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(KeyRingError, match="is no key ring") as caught:
        read_ring(path)
    assert "PRIVATE" not in str(caught.value)
