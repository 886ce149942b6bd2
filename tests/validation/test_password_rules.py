"""The operator's demands on new passwords: a length, and that they be uncommon."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from careers_users import create_app
from careers_users.extensions import db
from careers_users.settings import Settings, SettingsError
from careers_users.validation import password_blocklist
from config import TestConfig
from tests.api import Api

Make = Callable[..., Api]


@pytest.fixture
def strict(settings: TestConfig) -> Iterator[Make]:
    """Make a client of an application with these settings."""
    made: list[Flask] = []

    def make(**values: Any) -> Api:
        made.append(create_app(replace(settings, **values)))
        return Api(made[-1])

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


def register(api: Api, password: str) -> Any:
    """Try to register with this password; return what is wrong with it, or None."""
    body = {"username": "alice", "email": "alice@example.com", "password": password}
    reply = api.post("register/", {**body, "password_confirm": password})
    assert reply.status_code in (201, 400)
    return reply.json["details"]["password"] if reply.status_code == 400 else None


def test_the_documented_example_passes_by_default(api: Api) -> None:
    assert register(api, "password123") is None


def test_common_passwords_are_refused_if_the_operator_says_so(strict: Make) -> None:
    api = strict(password_blocklist="common")

    for password in (
        "password",
        "password123",
        "PASSWORD123",
        "iloveyou",
        "qwertyuiop",
    ):
        message = "Too common: others would try it. Choose another."
        assert register(api, password) == [message], password
    assert register(api, "correct horse password123") is None
    login = {"username": "alice", "password": "correct horse password123"}
    token = api.post("login/", login).json["access"]
    body = {
        "old_password": "correct horse password123",
        "password": "Sunshine",
        "password_confirm": "Sunshine",
    }
    reply = api.post("me/password/", body, token=token)
    assert reply.status_code == 400
    assert list(reply.json["details"]) == ["password"]


def test_the_list_is_long_enough_and_all_of_it_counts() -> None:
    words = password_blocklist.load("common")
    shipped = gzip.decompress(password_blocklist._COMMON.read_bytes()).decode().split()

    # OWASP ASVS 5.0, 6.2.4: at least the top 3000 that the rules would allow.
    assert len(words) == len(shipped) == 11_611
    assert min(map(len, words)) == 8
    licence = password_blocklist._COMMON.parent / "common_passwords.LICENSE.txt"
    assert "MIT License" in licence.read_text()


def test_an_operators_own_list_is_refused_too(strict: Make, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(
        "\ufeffCareers2031\r\n\r\n  spaced out \nGr\u00fc\u00dfe zusammen\n".encode()
    )
    api = strict(password_blocklist=str(path))

    for password in (
        "careers2031",
        "  spaced out ",
        "gr\u00fc\u00dfe zusammen",
        "password",
    ):
        assert register(api, password) is not None, password
    assert register(api, "spaced out, otherwise") is None


def test_passwords_can_be_asked_to_be_longer(strict: Make) -> None:
    api = strict(password_min_length=15)

    assert register(api, "fourteen chars") is not None
    assert register(api, "fifteen letters") is None


def test_old_passwords_stay_good_when_the_rules_change(strict: Make, api: Api) -> None:
    api.register("alice")
    later = strict(password_min_length=20, password_blocklist="common")
    login = {"username": "alice", "password": "password123"}
    assert later.post("login/", login).status_code == 200


@pytest.mark.parametrize("value", ["/nowhere/words.txt", "yes", "."])
def test_a_list_that_can_not_be_read_stops_the_start(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/careers")
    monkeypatch.setenv("CAREERS_USERS_PASSWORD_BLOCKLIST", value)
    monkeypatch.setenv("CAREERS_USERS_PASSWORD_MIN_LENGTH", "7")
    monkeypatch.setenv("CAREERS_USERS_RATELIMIT_LOGIN", "many")
    with pytest.raises(SettingsError) as caught:
        Settings.from_env()
    for name in ("PASSWORD_BLOCKLIST", "PASSWORD_MIN_LENGTH", "RATELIMIT_LOGIN"):
        assert f"CAREERS_USERS_{name}: " in str(caught.value)


def test_a_list_must_be_text(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not UTF-8"):
        password_blocklist.load(str(path))
