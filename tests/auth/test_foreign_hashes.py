"""Hashes of Django and Werkzeug: verified as those verify them, renewed, bounded."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash

from careers_users.auth import foreign_hashes
from careers_users.auth.password_hashing import scheme
from tests.api import Api
from tests.auth.stored import change_user, password_hash
from tests.live_server import PATIENCE, environment

PASSWORDS = ("correct horse", "pa\u0308ss\u00e9\U0001f600", "p" * 100)
HASHERS = (
    *("PBKDF2PasswordHasher", "PBKDF2SHA1PasswordHasher", "Argon2PasswordHasher"),
    *("BCryptSHA256PasswordHasher", "BCryptPasswordHasher", "ScryptPasswordHasher"),
)
WERKZEUG = (
    *("scrypt:1024:8:1", "pbkdf2:sha256:1000", "pbkdf2:sha1:1000"),
    "pbkdf2:sha512:1000",
)
SCHEMES = (
    *("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt"),
    *("scrypt:", "pbkdf2:sha256", "pbkdf2:sha1", "pbkdf2:sha512"),
)
# With costs that make no test slow. bcrypt refuses today what it has never read.
DJANGO = """
import json, sys
from django.conf import settings
passwords, hashers = json.load(sys.stdin)
package = "django.contrib.auth.hashers"
settings.configure(PASSWORD_HASHERS=[f"{package}.{name}" for name in hashers])
from django.contrib.auth.hashers import get_hashers
hashed = {}
for hasher in get_hashers():
    hasher.iterations, hasher.rounds = 1000, 4
    hasher.memory_cost = hasher.work_factor = 1024
    limit = 72 if hasher.algorithm == "bcrypt" else None
    hashed[hasher.algorithm] = [
        hasher.encode(p.encode()[:limit].decode(), hasher.salt()) for p in passwords
    ]
json.dump(hashed, sys.stdout)
"""


@pytest.fixture(scope="module")
def hashes() -> dict[str, list[str]]:
    """Return the hashes of PASSWORDS by every scheme, made by the frameworks."""
    done = subprocess.run(
        [sys.executable, "-c", DJANGO],
        input=json.dumps((PASSWORDS, HASHERS)),
        env=environment({}),
        text=True,
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    for method in WERKZEUG:
        made = [generate_password_hash(password, method) for password in PASSWORDS]
        found[scheme(made[0]) or method] = made
    return found


def log_in(api: Api, password: str) -> Any:
    """Call login."""
    return api.post("login/", {"username": "alice", "password": password})


@pytest.mark.parametrize("name", SCHEMES)
def test_are_verified_and_renewed_at_login(
    api: Api, app: Flask, hashes: dict[str, list[str]], name: str
) -> None:
    api.register("alice")
    for password, stored in zip(PASSWORDS, hashes[name], strict=True):
        assert scheme(stored) == name
        change_user(app, "alice", password_hash=stored)
        for wrong in (password[:-1], password.upper(), password + "x"):
            if not (name == "bcrypt" and wrong[:72] == password[:72]):
                assert log_in(api, wrong).status_code == 401
        assert password_hash(app, "alice") == stored
        assert log_in(api, password).status_code == 200
        assert password_hash(app, "alice").startswith("$argon2id$")
        assert log_in(api, password).status_code == 200


def changed(stored: str) -> Iterator[str]:
    """Hashes that are not quite this one."""
    for place in range(0, len(stored), 7):
        yield stored[:place] + stored[place + 1 :]
        yield stored[:place] + "\u0663" + stored[place + 1 :]
        yield stored[:place] + "$" + stored[place:]
    yield stored[: len(stored) // 2]


@pytest.mark.parametrize("name", SCHEMES)
def test_a_text_not_quite_a_hash_is_a_wrong_password(
    hashes: dict[str, list[str]], name: str
) -> None:
    for stored in changed(hashes[name][0]):
        foreign = foreign_hashes.recognise(stored)
        assert foreign is None or not foreign.verify("another password"), stored


HOSTILE = (
    "pbkdf2_sha256$99999999$salt$YWFh",
    "pbkdf2_sha1$5000001$salt$YWFh",
    "pbkdf2_sha256$0$salt$YWFh",
    "pbkdf2:sha512:99999999$salt$aa",
    "scrypt$16777216$salt$8$1$YWFh",
    "scrypt$16384$salt$8$9999$YWFh",
    "scrypt$16385$salt$8$1$YWFh",
    "scrypt$16384$salt$0$1$YWFh",
    "scrypt:2:9999:9999$salt$aa",
    "scrypt:67108864:8:1$salt$aa",
    "argon2$argon2id$v=19$m=4194304,t=2,p=8$c2FsdHNhbHQ$YWFhYWFhYWE",
    "argon2$argon2id$v=19$m=102400,t=99,p=8$c2FsdHNhbHQ$YWFhYWFhYWE",
    "argon2$argon2id$v=19$m=102400,t=2,p=9999$c2FsdHNhbHQ$YWFhYWFhYWE",
    "$argon2id$v=19$m=1048576,t=20,p=1$c2FsdHNhbHQ$YWFhYWFhYWE",
    "bcrypt$$2b$31$" + "a" * 53,
    "bcrypt_sha256$$2b$03$" + "a" * 53,
    "md5$salt$aa",
    "plain",
)


def test_hashes_of_minutes_or_gigabytes_can_not_be_verified(
    api: Api, app: Flask
) -> None:
    api.register("alice")
    for stored in HOSTILE:
        assert scheme(stored) is None, stored
    begun = time.monotonic()
    # Ours are bounded where they come in; this service makes none that cost so much.
    for stored in (each for each in HOSTILE if not each.startswith("$")):
        change_user(app, "alice", password_hash=stored)
        assert log_in(api, "correct horse").status_code == 401, stored
    assert time.monotonic() - begun < PATIENCE


def test_bcrypt_without_its_library_is_a_wrong_password_and_logged(
    api: Api,
    app: Flask,
    hashes: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    api.register("alice")
    stored = hashes["bcrypt"][0]
    change_user(app, "alice", password_hash=stored)
    foreign_hashes._warn_of_missing_bcrypt.cache_clear()
    monkeypatch.setattr(foreign_hashes, "has_bcrypt", lambda: False)
    assert foreign_hashes.needs_bcrypt(stored)
    assert not foreign_hashes.needs_bcrypt(hashes["scrypt"][0])
    assert log_in(api, PASSWORDS[0]).status_code == 401
    assert "careers_users[bcrypt]" in caplog.text
