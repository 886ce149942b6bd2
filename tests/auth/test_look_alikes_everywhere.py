"""Names and addresses that only look like a user's are unknown to every call."""

import json
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from careers_users.cli.console import EXIT_DATA
from careers_users.models import Throttle
from careers_users.settings.rates import Rate
from config import TestConfig
from tests.api import PASSWORD, Api
from tests.auth.conftest import Make
from tests.auth.stored import rows
from tests.cli.command import run
from tests.conftest import KEY
from tests.post_events.posts_service import TOKENS, event, send, statuses

# Accents, a dotless i, the Kelvin sign, the long s, ß, full width, a dotted i, a
# ligature, Cyrillic, a joiner, a mark of its own, a space that is none.
LOOK_ALIKES = [
    *("kíss.fi", "k\u0131ss.fi", "\u212aiss.fi", "ki\u017f\u017f.fi", "kiß.fi"),
    *("ｋｉｓｓ.fi", "K\u0130SS.FI", "kiss.\ufb01", "kіss.fi", "kiss\u200d.fi"),
    *("ki\u0301ss.fi", "kiss\xa0.fi"),
]


@pytest.fixture
def settings(database_url: str) -> TestConfig:
    """Return the settings of an application with credentials for a sister service."""
    return TestConfig(
        database_url=database_url, jwt_secret_key=KEY, events_tokens=TOKENS
    )


def test_login_knows_none_of_them(api: Api) -> None:
    api.register("kiss.fi", email="kiss.fi@example.com")

    for name in LOOK_ALIKES:
        for identifier in (name, f"{name}@example.com", f"kiss.fi@{name}.com"):
            body = {"username": identifier, "password": PASSWORD}
            response = api.post("login/", body)
            assert response.status_code == 401, ascii(identifier)
            assert response.json["code"] == "invalid_credentials"
    for identifier in ("KISS.fi", " kiss.fi\n", "Kiss.Fi@EXAMPLE.com"):
        body = {"username": identifier, "password": PASSWORD}
        assert api.post("login/", body).status_code == 200, identifier


def test_registration_refuses_all_of_them(api: Api) -> None:
    api.register("kiss.fi", email="kiss.fi@example.com")

    for name in LOOK_ALIKES:
        body = {
            "username": name,
            "email": "other@example.com",
            "password": PASSWORD,
            "password_confirm": PASSWORD,
        }
        assert api.post("register/", body).status_code == 400, ascii(name)
        body |= {"username": "other", "email": f"{name}@example.com"}
        assert api.post("register/", body).status_code == 400, ascii(name)


def test_paths_and_follows_lead_to_no_user(api: Api) -> None:
    api.register("kiss.fi")
    bob = api.register("bob")

    for name in LOOK_ALIKES:
        for path in (f"{name}/", f"{name}/stats/", f"{name}/followers/"):
            assert api.get(path).status_code == 404, ascii(path)
        response = api.post("follow/", {"username": name}, token=bob.access)
        assert response.status_code == 404, ascii(name)
    assert api.get("bob/").json["following_count"] == 0


def test_limits_count_each_by_itself(throttled: Make) -> None:
    api = throttled(login=Rate(3, 300), login_username=Rate(3, 300))
    api.register("kiss.fi")

    for name in LOOK_ALIKES:
        body = {"username": name, "password": "wrong password"}
        assert api.post("login/", body).status_code == 401, ascii(name)
    counted = [row["used"] for row in rows(api.app, select(Throttle.used))]
    assert len(counted) >= 2 * len(LOOK_ALIKES)
    assert max(counted) == 1
    # None of these tries was one at her account.
    for _ in range(3):
        body = {"username": "kiss.fi", "password": "wrong password"}
        assert api.post("login/", body).status_code == 401
    assert api.post("login/", body).status_code == 429


def test_an_import_refuses_them(api: Api, app: Flask, tmp_path: Path) -> None:
    api.register("kiss.fi", email="kiss.fi@example.com")
    records = [
        json.dumps({"username": name, "email": f"n{number}@example.com"})
        for number, name in enumerate(LOOK_ALIKES)
    ]
    path = tmp_path / "users.jsonl"
    path.write_text("\n".join(records))

    result = run(app, "users", "import", "--no-passwords", str(path))

    assert result.exit_code == EXIT_DATA
    assert result.stderr.count("username: Use 3 to 30") == len(LOOK_ALIKES)
    assert api.get("").json["batch_info"]["total_users"] == 1


def test_events_of_their_posts_are_of_unknown_users(api: Api) -> None:
    api.register("kiss.fi")

    for name in LOOK_ALIKES:
        reply = send(api, event("post.created", author=name), token=TOKENS[0])
        assert statuses(reply) == ["unknown_user"], ascii(name)
    assert api.get("kiss.fi/").json["posts_count"] == 0
