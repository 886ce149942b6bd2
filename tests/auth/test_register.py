"""POST register/

The tables of good and bad values also hold for PATCH me/update/, which shares the code.
"""

from collections.abc import Iterator
from typing import Any

from flask import Flask

from tests.api import Api
from tests.auth.registration_values import KEPT, REFUSED
from tests.auth.stored import sessions

BODY = {
    "username": "alice",
    "email": "alice@example.com",
    "password": "password123",
    "password_confirm": "password123",
}


# The contract's words. The literal segments of the paths are reserved as well.
RESERVED = (
    "admin root system support security api health ready live metrics docs openapi "
    "static search sessions password email stats update unfollow relationships blocks "
    "mutes requests suggestions export events null none undefined anonymous"
).split()


def test_replies_as_documented(api: Api) -> None:
    body = {
        **BODY,
        "first_name": "Alice",
        "last_name": "Smith",
        "bio": "Software developer passionate about APIs",
    }

    response = api.post("register/", body)

    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    user = response.json["user"]
    assert user.pop("created_at")
    shown = {key: body[key] for key in body if not key.startswith("password")}
    assert user == {"id": 1, "avatar": None, **shown}
    for token in (response.json["access"], response.json["refresh"]):
        assert token.count(".") == 2


def test_fills_in_what_is_unset_and_signs_in(api: Api) -> None:
    reply = api.post("register/", BODY).json

    user = reply["user"]
    assert (user["first_name"], user["last_name"], user["bio"]) == ("", "", "")
    assert user["avatar"] is None
    assert api.get("me/", token=reply["access"]).json["id"] == user["id"]
    refresh = {"refresh": reply["refresh"]}
    assert api.post("token/refresh/", refresh).status_code == 200


def test_keeps_good_values_in_their_normal_form(api: Api) -> None:
    wrong = []
    for number, (field, pair) in enumerate(_each(KEPT)):
        sent, kept = pair if isinstance(pair, tuple) else (pair, pair)
        body = {**BODY, "username": f"u-{number}", "email": f"u{number}@example.com"}
        response = api.post("register/", {**body, field: sent})
        if response.status_code != 201 or response.json["user"][field] != kept:
            wrong.append((field, sent, response.json))
            continue
        own = api.get("me/", token=response.json["access"]).json
        if own[field] != kept:
            wrong.append((field, sent, own))

    assert wrong == []


def test_refuses_bad_values_and_names_the_field(api: Api, app: Flask) -> None:
    wrong = []
    for field, value in _each(REFUSED):
        body = {**BODY, field: value}
        if field == "password":
            body["password_confirm"] = value
        response = api.post("register/", body)
        named = set(response.json.get("details", ()))
        # A text that can't be stored can't be confirmed either.
        if field == "password":
            named.discard("password_confirm")
        if response.status_code != 400 or named != {field}:
            wrong.append((field, value, response.json))

    assert wrong == []
    assert sessions(app) == {}


def _each(table: dict[str, list[Any]]) -> Iterator[tuple[str, Any]]:
    return ((field, value) for field, values in table.items() for value in values)


def test_refuses_a_lone_surrogate_anywhere(api: Api) -> None:
    for field in (*KEPT, "password"):
        body = f'{{"{field}": "a\\ud800b"}}'
        response = api.post("register/", data=body, content_type="application/json")

        assert response.status_code == 400, field
        assert response.json["code"] == "malformed_json", field


def test_refuses_missing_and_unknown_fields_and_names_them(api: Api) -> None:
    response = api.post("register/", {})
    assert response.status_code == 400
    assert response.json["code"] == "validation_failed"
    assert set(response.json["details"]) == set(BODY)
    for field in BODY:
        rest = {key: value for key, value in BODY.items() if key != field}
        response = api.post("register/", rest)
        assert response.status_code == 400, field
        assert set(response.json["details"]) == {field}

    unknown = {"id": 7, "is_admin": True, "posts_count": 9, "Username": "x", "": ""}
    response = api.post("register/", {**BODY, **unknown})
    assert response.status_code == 400
    assert set(response.json["details"]) == set(unknown)


def test_refuses_reserved_names_in_any_case(api: Api) -> None:
    for name in RESERVED:
        for spelling in (name, name.upper(), name.title()):
            response = api.post("register/", {**BODY, "username": spelling})
            assert response.status_code == 400, spelling
            assert set(response.json["details"]) == {"username"}, spelling


def test_refuses_every_first_segment_of_the_paths_as_a_name(
    api: Api, app: Flask, app_with_mail: Flask
) -> None:
    """Also of those that a setting turns on later."""
    rules = [*app.url_map.iter_rules(), *app_with_mail.url_map.iter_rules()]
    segments = {
        path.split("/")[1]
        for rule in rules
        for path in (rule.rule, rule.rule.removeprefix("/careers/users"))
    }
    names = {name for name in segments if name and not name.startswith("<")}

    assert {"login", "register", "me", "follow", "token", "careers"} <= names
    assert {"email", "password"} <= names
    for name in names:
        response = api.post("register/", {**BODY, "username": name})
        assert response.status_code == 400, name
        assert set(response.json["details"]) == {"username"}, name


def test_takes_any_password_of_the_right_length(api: Api) -> None:
    passwords = [
        *("password123", "aaaaaaaa", "        ", "p" * 256, "\U0001f511" * 8),
        *("pass word\t\n", "\u00e4" * 256, "null\u200bwidth", "12345678"),
    ]
    for number, password in enumerate(passwords):
        account = api.register(f"user{number}", password=password)
        body = {"username": account.username, "password": password}
        assert api.post("login/", body).status_code == 200, password


def test_refuses_a_password_that_is_the_username_or_the_email(api: Api) -> None:
    body = {**BODY, "username": "Alice.Smith"}
    for password in ("Alice.Smith", "alice.smith", "ALICE@example.com"):
        both = {"password": password, "password_confirm": password}
        response = api.post("register/", {**body, **both})

        assert response.status_code == 400, password
        assert set(response.json["details"]) == {"password"}, password


def test_refuses_a_username_or_email_taken_in_any_case(api: Api, app: Flask) -> None:
    api.register("Alice", email="Alice@Example.com")
    rows = sessions(app)

    for name, email, code, field in (
        ("Alice", "other@example.com", "username_taken", "username"),
        ("aLICE", "other@example.com", "username_taken", "username"),
        ("other", "Alice@Example.com", "email_taken", "email"),
        ("other", "aLICE@eXAMPLE.COM", "email_taken", "email"),
    ):
        response = api.post("register/", {**BODY, "username": name, "email": email})
        assert response.status_code == 409, name
        assert response.json["code"] == code
        assert set(response.json["details"]) == {field}
    assert api.get("").json["batch_info"]["total_users"] == 1
    assert sessions(app) == rows


def test_a_taken_username_is_told_before_a_taken_email(api: Api) -> None:
    api.register("alice")
    api.register("bob")

    for email in ("alice@example.com", "bob@example.com"):
        response = api.post("register/", {**BODY, "email": email})
        assert response.status_code == 409
        assert response.json["code"] == "username_taken", email


def test_does_not_fold_dots_and_plusses_of_an_email(api: Api) -> None:
    addresses = ["ab@example.com", "a.b@example.com", "ab+c@example.com"]
    accounts = [
        api.register(f"user{number}", email=address)
        for number, address in enumerate(addresses)
    ]

    for account in accounts:
        body = {"username": account.email, "password": account.password}
        assert api.post("login/", body).json["user"]["id"] == account.id
