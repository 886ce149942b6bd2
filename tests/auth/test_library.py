"""Flask-JWT-Extended's own names work beside our decorators, whatever its version.

S9: access and refresh tokens differ by header and audience, which libraries check.
"""

from importlib.metadata import version
from typing import Any

import jwt as pyjwt
import pytest
from flask import Flask
from flask_jwt_extended import (
    create_access_token,
    current_user,
    get_jwt,
    get_jwt_header,
    get_jwt_identity,
    get_jwt_request_location,
    jwt_required,
)
from packaging.specifiers import SpecifierSet

from careers_users.auth import identity
from careers_users.database import observers
from careers_users.http.decorators import View
from careers_users.keys import jwt, new_key
from tests.api import Api
from tests.auth.stored import claims_of, forge

GUARDS: dict[str, list[View]] = {
    "signed_in": [identity.signed_in],
    "anyone": [identity.anyone],
    "jwt_required": [jwt_required()],
    "both": [identity.signed_in, jwt_required()],
    "both, the other way": [jwt_required(), identity.signed_in],
}
URL = "/careers/users/library/"


def seen() -> dict[str, Any]:
    """Return what the library says of the caller."""
    user = dict(current_user) if current_user else None
    return {
        "claims": get_jwt(),
        "header": get_jwt_header(),
        "identity": get_jwt_identity(),
        "user": user,
        "location": get_jwt_request_location(),
    }


def guarded(app: Flask, name: str) -> None:
    """Add the view `seen` with these decorators, the last one innermost."""
    view: View = seen
    for decorator in reversed(GUARDS[name]):
        view = decorator(view)
    app.add_url_rule(URL, view_func=view)


@pytest.mark.parametrize("name", GUARDS)
def test_the_librarys_names_know_the_caller(app: Flask, api: Api, name: str) -> None:
    guarded(app, name)
    alice = api.register("alice")
    told: list[str] = []
    observers(app).append(lambda sql, _: told.append(sql))

    found = api.get(URL, token=alice.access).json

    assert len(told) == 1, told
    assert found["claims"] == claims_of(alice.access)
    assert found["header"] == pyjwt.get_unverified_header(alice.access)
    assert found["identity"] == str(alice.id)
    user = {"id": alice.id, "username": "alice", "has_blocks": False}
    assert found["user"] == user
    assert found["location"] == "headers"


@pytest.mark.parametrize("name", GUARDS)
def test_every_guard_refuses_alike(app: Flask, api: Api, name: str) -> None:
    guarded(app, name)
    alice = api.register("alice")
    assert api.get(URL, token=alice.refresh).json["code"] == "token_invalid"
    api.post("logout/", {"refresh": alice.refresh}, token=alice.access)
    assert api.get(URL, token=alice.access).json["code"] == "token_revoked"
    if name != "anyone":
        assert api.get(URL).json["code"] == "not_authenticated"


def test_without_a_token_the_library_says_so(app: Flask, api: Api) -> None:
    guarded(app, "anyone")
    assert api.get(URL).json == {
        "claims": {},
        "header": {},
        "identity": None,
        "user": None,
        "location": None,
    }


def test_the_first_call_after_a_rotation_confirms_it(app: Flask, api: Api) -> None:
    guarded(app, "jwt_required")
    alice = api.register("alice")
    body = {"refresh": alice.refresh, "rotate": True}
    rotated = api.post("token/refresh/", body).json
    assert api.get(URL, token=rotated["access"]).status_code == 200
    told: list[str] = []
    observers(app).append(lambda sql, _: told.append(sql))
    assert api.get(URL, token=rotated["access"]).status_code == 200
    assert len(told) == 1


def test_keys_come_through_the_loaders(
    app: Flask, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = api.register("alice")
    other = new_key("EdDSA", 0)
    monkeypatch.setattr(jwt, "_encode_key_callback", None)
    monkeypatch.setattr(jwt, "_decode_key_callback", None)
    jwt.encode_key_loader(lambda _identity: other)
    jwt.decode_key_loader(lambda _header, _claims: other)
    claims = claims_of(alice.access)
    with app.app_context():
        token = create_access_token(claims["sub"], additional_claims=claims)
    assert pyjwt.get_unverified_header(token) == {
        "alg": "EdDSA",
        "kid": other.kid,
        "typ": "at+jwt",
    }
    assert api.get("me/", token=token).json["username"] == "alice"


def test_the_two_types_can_be_told_apart_by_a_library(app: Flask, api: Api) -> None:
    alice, key = api.register("alice"), app.config["JWT_SECRET_KEY"]
    assert pyjwt.get_unverified_header(alice.access)["typ"] == "at+jwt"
    assert pyjwt.get_unverified_header(alice.refresh)["typ"] == "JWT"
    assert pyjwt.decode(alice.access, key, ["HS256"], audience="careers")
    with pytest.raises(pyjwt.InvalidAudienceError):
        pyjwt.decode(alice.refresh, key, ["HS256"], audience="careers")


def test_tokens_of_the_version_before_are_good(app: Flask, api: Api) -> None:
    alice = api.register("alice")
    access = forge(app, alice.access, header={"typ": "JWT"}, aud="careers")
    refresh = forge(app, alice.refresh, header={"typ": "JWT"}, aud="careers")
    assert api.get("me/", token=access).status_code == 200
    renewed = api.post("token/refresh/", {"refresh": refresh})
    assert renewed.status_code == 200
    new = renewed.json["access"]
    assert pyjwt.get_unverified_header(new)["typ"] == "at+jwt"
    assert api.post("logout/", {"refresh": refresh}, token=access).status_code == 200


@pytest.mark.parametrize(
    ("typ", "claims"),
    [
        ("at+jwt", {"aud": "careers/refresh"}),
        ("JWT", {"aud": "careers/refresh"}),
        ("at+jwt", {"aud": ["careers"]}),
        ("at+jwt", {"aud": "other"}),
        ("AT+JWT", {}),
        (None, {}),
        ([], {}),
    ],
)
def test_an_access_token_of_another_purpose_is_invalid(
    app: Flask, api: Api, typ: object, claims: dict[str, Any]
) -> None:
    token = forge(app, api.register("alice").access, header={"typ": typ}, **claims)
    assert api.get("me/", token=token).json["code"] == "token_invalid"


@pytest.mark.parametrize(
    ("typ", "claims"),
    [
        ("at+jwt", {}),
        ("at+jwt", {"aud": "careers"}),
        ("JWT", {"aud": "other"}),
        ("JWT", {"aud": ["careers/refresh"]}),
        ("JWT", {"type": "access"}),
        (None, {}),
    ],
)
def test_a_refresh_token_of_another_purpose_is_invalid(
    app: Flask, api: Api, typ: object, claims: dict[str, Any]
) -> None:
    token = forge(app, api.register("alice").refresh, header={"typ": typ}, **claims)
    reply = api.post("token/refresh/", {"refresh": token})
    assert reply.json["code"] == "token_invalid"
    assert api.get("me/", token=token).json["code"] == "token_invalid"


def test_the_version_is_one_that_the_tests_know() -> None:
    # `.ci/run` has these tests run with the oldest one, too.
    assert version("flask-jwt-extended") in SpecifierSet(">=4.7.1,<4.8")
