"""Names and addresses that look or fold like a user's lead to no user."""

from dataclasses import replace

import pytest

from careers_users import create_app
from careers_users.extensions import db
from config import TestConfig
from tests.api import Api

# Full width, the Kelvin sign, dotless and dotted i, long s, Cyrillic, an accent.
LOOK_ALIKES = (
    "ｋisk",
    "\u212aisk",
    "k\u0131sk",
    "k\u0130sk",
    "ki\u017fk",
    "kіsk",
    "kísk",
)


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_name_that_looks_alike_is_no_users(api: Api, name: str) -> None:
    api.register("kisk")
    other = api.register("other")
    for identifier in (name, f"{name}@example.com"):
        login = {"username": identifier, "password": "password123"}
        reply = api.post("login/", login)
        assert (reply.status_code, reply.json["code"]) == (401, "invalid_credentials")
    assert api.get(f"{name}/").status_code == 404
    follow = api.post("follow/", {"username": name}, token=other.access)
    assert (follow.status_code, follow.json["code"]) == (404, "user_not_found")
    registration = {"username": name, "email": "new@example.com"}
    passwords = {"password": "password123", "password_confirm": "password123"}
    reply = api.post("register/", registration | passwords)
    assert list(reply.json["details"]) == ["username"]


def test_the_own_name_is_found_in_any_case_and_between_spaces(api: Api) -> None:
    api.register("kisk")
    for identifier in ("KISK", " kisk\n", "\u00a0Kisk@Example.COM\u3000"):
        login = {"username": identifier, "password": "password123"}
        assert api.post("login/", login).status_code == 200, ascii(identifier)


def test_an_operator_allows_private_domains_by_name(settings: TestConfig) -> None:
    domains = frozenset({"local", "corp.internal"})
    app = create_app(replace(settings, email_private_domains=domains))
    api = Api(app)
    for number, domain in enumerate(("mail.local", "corp.internal", "x.corp.internal")):
        api.register(f"user{number}", email=f"a{number}@{domain}")
    token = api.register("alice").access
    for domain in ("local", "mail.test", "other.internal", "localhost"):
        reply = api.patch("me/", {"email": f"a@{domain}"}, token=token)
        assert list(reply.json["details"]) == ["email"], domain
    with app.app_context():
        db.engine.dispose()
