"""`check`: what is right, what is wrong, and what to do about it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, update

from careers_users import clock
from careers_users.models import RefreshToken
from careers_users.observability import checks
from config import TestConfig
from tests.api import Api
from tests.auth.stored import change
from tests.in_process import run
from tests.live_server import COMMAND, KEY, environment

NAMES = (
    "settings secret files metrics address proxy disk mail database migrations triggers"
    " search timeouts clock sign-ins jobs outbox replica"
)


def check(folder: Path, *words: str, **settings: str) -> tuple[int, dict[str, Any]]:
    """Run `careers-users check --json`; return exit code and findings by name."""
    result = run(folder, "check", "--json", *words, **settings)
    assert "Traceback" not in result.stderr, result.stderr
    report = json.loads(result.stdout)
    assert report["ok"] == (result.returncode == 0)
    return result.returncode, {each["name"]: each for each in report["checks"]}


def test_a_service_in_order(database_url: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    settings = {"DATABASE_URL": database_url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    code, found = check(tmp_path, **settings)
    assert code == 0
    assert list(found) == NAMES.split()
    states = {name: each["state"] for name, each in found.items() if name != "disk"}
    if os.environ.get("CAREERS_USERS_TEST_POSTGRES") == "wheel":
        states.pop("search")  # That PostgreSQL comes without pg_trgm.
    assert set(states.values()) == {"ok"}, found

    shown = run(tmp_path, "check", **settings)
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    assert [line.split()[1] for line in lines if "->" not in line] == NAMES.split()


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    code, found = check(tmp_path)
    assert code == 0
    assert "serve makes it" in found["database"]["message"]
    assert list(tmp_path.iterdir()) == []


def test_flask_offers_it_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flask", "check", "--json"]
    env = environment({"DATABASE_URL": "nonsense"})
    result = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, check=False, timeout=60
    )
    assert result.returncode == 1, result.stderr
    assert json.loads(result.stdout)["checks"][0]["name"] == "settings"


def test_wrong_settings_are_all_named(tmp_path: Path) -> None:
    code, found = check(tmp_path, PORT="eighty", DATABASE_URL="mysql://a:b@c/d")
    assert code == 1
    assert list(found) == ["settings"]
    for name in ("PORT", "DATABASE_URL"):
        assert name in found["settings"]["message"]


def test_strict_fails_for_warnings_too(database_url: str, tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": database_url,
        "CAREERS_USERS_JWT_SECRET_KEY": KEY,
        "CAREERS_USERS_TRUSTED_PROXY": "*",
    }
    code, found = check(tmp_path, **settings)
    assert (code, found["proxy"]["state"]) == (0, "warning")
    assert "Set CAREERS_USERS_TRUSTED_PROXY" in found["proxy"]["advice"]
    assert check(tmp_path, "--strict", **settings)[0] == 1
    settings["CAREERS_USERS_TRUSTED_PROXY"] = "127.0.0.1, 10.0.0.0/8"
    code, found = check(tmp_path, **settings)
    assert (code, found["proxy"]["state"]) == (0, "ok")
    assert "127.0.0.1, 10.0.0.0/8" in found["proxy"]["message"]


@pytest.mark.skipif(os.name != "posix", reason="there are no such modes here")
def test_a_directory_that_others_may_look_into(tmp_path: Path) -> None:
    assert run(tmp_path, "users", "list").returncode == 0  # makes the files
    folder = tmp_path / "instance"
    code, found = check(tmp_path)
    assert (code, found["files"]["state"]) == (0, "ok")
    folder.chmod(0o755)
    code, found = check(tmp_path)
    assert (code, found["files"]["state"]) == (0, "warning")
    assert found["files"]["advice"] == f"chmod 700 {folder}"
    (folder / "jwt_secret_key").chmod(0o644)
    code, found = check(tmp_path)
    assert (code, found["settings"]["state"]) == (1, "error")
    assert "can be read by others: chmod o= it" in found["settings"]["message"]


def test_commands_of_an_embedded_service_need_no_migration(tmp_path: Path) -> None:
    made = run(tmp_path, "demo", "--users", "20", "--edges", "30")
    assert made.returncode == 0, made.stderr
    listed = run(tmp_path, "users", "list", "--limit", "0", "--json")
    assert len(listed.stdout.splitlines()) == 20


def test_help_needs_no_settings_and_makes_nothing(tmp_path: Path) -> None:
    for words in ((), ("users",), ("users", "create"), ("check",)):
        result = run(tmp_path, *words, "--help", DATABASE_URL="nonsense")
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("Usage: ")
        run(tmp_path, *words, "--help")
    assert list(tmp_path.iterdir()) == []
    completed = subprocess.run(
        COMMAND,
        cwd=tmp_path,
        env=environment({"_CAREERS_USERS_COMPLETE": "bash_source"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # Through -c the program has another name; what matters is that nothing is asked.
    assert completed.returncode in (0, 2)
    assert list(tmp_path.iterdir()) == []


# -- Sign-ins that all come from one place ---------------------------------------------


def sign_ins(api: Api, app: Flask, *addresses: str) -> None:
    """Add sessions from these addresses."""
    alice = api.register("alice")
    change(app, update(RefreshToken).values(address="198.51.100.1"))
    now = clock.utcnow()
    rows = [
        {
            "id": f"{number:032}",
            "user_id": alice.id,
            "created_at": now,
            "last_used_at": now,
            "expires_at": now,
            "address": address,
        }
        for number, address in enumerate(addresses)
    ]
    change(app, insert(RefreshToken).values(rows))


@pytest.mark.parametrize(
    ("addresses", "state"),
    [
        (["10.0.0.7"] * 50, "warning"),
        (["10.0.0.7"] * 49 + ["10.0.0.8"], "ok"),
        (["198.51.100.1"] * 5, "ok"),
        (["8.8.8.8"] * 50, "ok"),
        (["not an address"] * 50, "ok"),
    ],
)
def test_sign_ins_from_one_private_address_look_like_a_proxy(
    api: Api, app: Flask, settings: TestConfig, addresses: list[str], state: str
) -> None:
    sign_ins(api, app, *addresses)
    findings = {each.name: each for each in checks.all_of(app, settings)}
    assert findings["sign-ins"].state == state
    if state == "warning":
        advice = "Set CAREERS_USERS_TRUSTED_PROXY=10.0.0.7 if it is one."
        assert findings["sign-ins"].advice == advice


def test_a_command_that_does_not_exist_leaves_nothing_behind(tmp_path: Path) -> None:
    result = run(tmp_path, "nonsense")
    assert result.returncode == 2
    assert "No such command" in result.stderr
    assert "Migrated" not in result.stderr
    assert not list(tmp_path.rglob("*.db"))


# -- What `serve` needs of this machine ------------------------------------------------


@pytest.mark.parametrize("what", ["missing", "broken", "for others to read"])
def test_a_key_ring_that_can_not_be_used(tmp_path: Path, what: str) -> None:
    ring = tmp_path / "keys.json"
    settings = {"CAREERS_USERS_JWT_KEY_RING": str(ring)}
    assert run(tmp_path, "keys", "generate", **settings).returncode == 0
    assert check(tmp_path, **settings)[1]["secret"]["state"] == "ok"
    if what == "missing":
        ring.unlink()
    elif what == "broken":
        ring.write_text("{}")
    elif os.name == "posix":
        ring.chmod(0o644)
    code, found = check(tmp_path, **settings)
    assert (code, found["secret"]["state"]) == (1, "error")
    served = run(tmp_path, "serve", **settings)
    assert served.returncode == 78
    assert found["secret"]["message"] in served.stderr


def test_a_data_directory_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, found = check(tmp_path, CAREERS_USERS_DATA_DIR="file/data")
    assert (code, found["files"]["state"]) == (1, "error")
    assert f"{tmp_path / 'file'} is no directory" in found["files"]["message"]


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    # RFC 5737: an address for documents, which no machine has.
    code, found = check(tmp_path, HOST="192.0.2.1")
    assert (code, found["address"]["state"]) == (1, "error")
    assert "192.0.2.1 is no address of this machine" in found["address"]["message"]
    assert check(tmp_path, HOST="localhost")[1]["address"]["state"] == "ok"
