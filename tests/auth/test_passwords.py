"""Passwords: how they are hashed, compared and kept up to date."""

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask

from careers_users import create_app
from careers_users.extensions import db
from careers_users.settings import Settings
from config import TestConfig
from tests.api import PASSWORD, Api
from tests.auth.stored import change_user, password_hash, sessions

WEAK = "$argon2id$v=19$m=8,t=1,p=1$"  # TestConfig's parameters.


@pytest.fixture
def other(settings: TestConfig, request: pytest.FixtureRequest) -> Iterator[Flask]:
    """Yield an application on the same database, with the settings of the parameter."""
    app = create_app(replace(settings, **request.param))
    yield app
    with app.app_context():
        db.engine.dispose()


def log_in(api: Api, username: str, password: str = PASSWORD) -> Any:
    """Call login."""
    return api.post("login/", {"username": username, "password": password})


def django_hash(password: str, rounds: int = 1) -> str:
    """Return the hash that Django's default hasher makes."""
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt", rounds)
    return f"pbkdf2_sha256${rounds}$salt${base64.b64encode(digest).decode()}"


def spy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write down the hash of every verification that Argon2 does."""
    verified: list[str] = []
    verify = PasswordHasher.verify

    def noted(self: PasswordHasher, stored: str, password: str) -> bool:
        verified.append(stored)
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", noted)
    return verified


@pytest.mark.parametrize(
    "other",
    [
        {
            "argon2_memory_kib": Settings.argon2_memory_kib,
            "argon2_time_cost": Settings.argon2_time_cost,
        }
    ],
    indirect=True,
)
def test_are_hashed_with_argon2id_19_mib_2_passes_1_lane(other: Flask) -> None:
    api = Api(other)
    api.register("alice")
    api.register("bob")

    alice, bob = password_hash(other, "alice"), password_hash(other, "bob")
    assert alice.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert alice != bob, "each has a salt of its own"
    assert log_in(api, "alice").status_code == 200


@pytest.mark.parametrize(
    "other", [{"argon2_memory_kib": 16, "argon2_time_cost": 2}], indirect=True
)
def test_are_hashed_again_at_login_when_the_parameters_have_changed(
    api: Api, app: Flask, other: Flask
) -> None:
    api.register("alice")
    first = password_hash(app, "alice")
    assert first.startswith(WEAK)

    assert log_in(api, "alice").status_code == 200
    assert password_hash(app, "alice") == first, "nothing has changed yet"
    assert log_in(Api(other), "alice", "password124").status_code == 401
    assert password_hash(app, "alice") == first, "it was not the password"
    assert log_in(Api(other), "alice").status_code == 200
    second = password_hash(app, "alice")
    assert second.startswith("$argon2id$v=19$m=16,t=2,p=1$")
    assert log_in(Api(other), "alice").status_code == 200
    assert password_hash(app, "alice") == second
    # Instances that have not been told yet still take it; one login, one session.
    assert log_in(api, "alice").status_code == 200
    assert len(sessions(app)) == 5


@pytest.mark.parametrize("other", [{"argon2_time_cost": 2}], indirect=True)
def test_a_password_changed_meanwhile_is_not_hashed_away(
    api: Api, other: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.register("alice")
    changed, hash_ = django_hash("changed by herself"), PasswordHasher.hash

    def slow(self: PasswordHasher, password: str) -> str:
        change_user(other, "alice", password_hash=changed)
        return hash_(self, password)

    monkeypatch.setattr(PasswordHasher, "hash", slow)

    assert log_in(Api(other), "alice").status_code == 200
    assert password_hash(other, "alice") == changed


def test_are_kept_whole_and_in_normal_form_c(api: Api) -> None:
    composed, decomposed = "p\u00e4sswort", "pa\u0308sswort"
    api.register("alice", password=decomposed, password_confirm=composed)
    api.register("bob", password="p" * 255 + "q")
    api.register("carol", password="  spaces  ")

    assert log_in(api, "alice", composed).status_code == 200
    assert log_in(api, "alice", decomposed).status_code == 200
    assert log_in(api, "bob", "p" * 255 + "q").status_code == 200
    for name, password in (
        *(("bob", "p" * 255 + "r"), ("bob", "p" * 255), ("carol", "spaces")),
        *(("alice", "passwort"), ("carol", "  spaces"), ("carol", "  Spaces  ")),
    ):
        assert log_in(api, name, password).status_code == 401, password


def test_hashes_made_by_django_are_accepted_and_replaced(api: Api, app: Flask) -> None:
    api.register("alice")
    # From Django 4.0's own tests.
    stored = (
        "pbkdf2_sha256$320000$seasalt2$BRr4pYNIQDsLFP+u4dzjs7pFuWJEin4lFMMoO9wBYvo="
    )
    change_user(app, "alice", password_hash=stored)

    assert log_in(api, "alice", "letmein").status_code == 401
    assert password_hash(app, "alice") == stored
    assert log_in(api, "alice", "l\u00e8tmein").status_code == 200
    replaced = password_hash(app, "alice")
    assert replaced.startswith(WEAK)
    assert log_in(api, "alice", "l\u00e8tmein").status_code == 200
    assert log_in(api, "alice", "letmein").status_code == 401
    assert password_hash(app, "alice") == replaced
    # Django hashed what was typed, in whatever normal form.
    composed, decomposed = "p\u00e4sswort", "pa\u0308sswort"
    change_user(app, "alice", password_hash=django_hash(decomposed))
    for password in (decomposed, decomposed, composed):
        assert log_in(api, "alice", password).status_code == 200, password


def test_an_unusable_hash_is_a_wrong_password(api: Api, app: Flask) -> None:
    api.register("alice")
    good = django_hash(PASSWORD)
    rounds, salt, digest = good.split("$")[1:]

    for stored in (
        *("", "!", "!" + good, "x", "pbkdf2_sha256$", "pbkdf2_sha256$$$", good[:-1]),
        *(f"pbkdf2_sha256$x${salt}${digest}", f"pbkdf2_sha256${rounds}$${digest}"),
        *(f"pbkdf2_sha256$-1${salt}${digest}", f"pbkdf2_sha256$2${salt}${digest}"),
        *(f"pbkdf2_sha256$0${salt}$", f"pbkdf2_sha1${rounds}${salt}${digest}"),
        *(
            "md5$salt$x",
            "bcrypt_sha256$$2b$12$x",
            "$2b$12$x",
            WEAK,
            WEAK + "x$y",
            PASSWORD,
        ),
    ):
        change_user(app, "alice", password_hash=stored)
        response = log_in(api, "alice")
        assert response.status_code == 401, stored
        assert response.json["code"] == "invalid_credentials", stored
        assert password_hash(app, "alice") == stored


def test_unknown_user_wrong_password_and_inactive_user_cost_and_hear_the_same(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.register("alice")
    api.register("bob")
    change_user(app, "bob", is_active=False)
    stored, rows = password_hash(app, "bob"), sessions(app)
    verified = spy(monkeypatch)
    answers = set()

    for name, password in (
        *(("nobody", PASSWORD), ("nobody@example.com", PASSWORD), ("nobody", "x")),
        # The hash for unknown users must not sign anybody in.
        *(("nobody", "nobody's password"), ("alice", "nobody's password")),
        *(("alice", "password124"), ("alice@example.com", "x")),
        *(("bob", PASSWORD), ("bob@example.com", PASSWORD), ("bob", "password124")),
    ):
        verified.clear()
        response = log_in(api, name, password)
        assert response.status_code == 401
        assert len(verified) == 1, name
        assert verified[0].startswith(WEAK), name
        del response.headers["X-Request-ID"]
        answers.add((response.status, response.data, str(response.headers)))

    assert len(answers) == 1
    assert password_hash(app, "bob") == stored
    assert sessions(app) == rows


@pytest.mark.parametrize("other", [{"hash_concurrency": 1}], indirect=True)
def test_more_hashing_at_once_than_allowed_is_503_overloaded(
    other: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(other)
    api.register("alice")
    begun, go_on = Event(), Event()
    verify = PasswordHasher.verify

    def slow(self: PasswordHasher, *args: Any) -> bool:
        begun.set()
        assert go_on.wait(timeout=30)
        return verify(self, *args)

    monkeypatch.setattr(PasswordHasher, "verify", slow)
    # A request waits for as long as many sign-ins take.
    monkeypatch.setattr("careers_users.auth.password_hashing.HASH_QUEUE_SECONDS", 0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(log_in, api, "alice")
        try:
            assert begun.wait(timeout=30)
            refusals = [log_in(api, "alice"), log_in(api, "nobody")]
            body = {"username": "bob", "email": "bob@example.com"}
            passwords = {"password": PASSWORD, "password_confirm": PASSWORD}
            refusals.append(api.post("register/", body | passwords))
            # Nothing else waits for them.
            assert api.get("alice/").status_code == 200
        finally:
            go_on.set()
        assert first.result().status_code == 200

    for response in refusals:
        assert response.status_code == 503
        assert response.json["code"] == "overloaded"
    assert log_in(api, "alice").status_code == 200, "the turn has been given back"
    assert log_in(api, "alice", "password124").status_code == 401
    assert log_in(api, "alice").status_code == 200
