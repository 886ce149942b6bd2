"""The header Authorization: which tokens are taken, where, and what others hear."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import jwt
import pytest
from flask import Flask
from sqlalchemy import delete

from careers_users import create_app
from careers_users.extensions import db
from careers_users.http.decorators import operation_of
from careers_users.keys.signing import REQUIRED_CLAIMS
from careers_users.models import User
from config import TestConfig
from tests.api import Api
from tests.auth.refused import (
    NEEDS_TOKEN,
    OTHER_KEY,
    TAKES_TOKEN,
    alter,
    assert_refused,
    assert_refused_everywhere,
)
from tests.auth.stored import (
    NOON,
    SECOND,
    change,
    change_user,
    claims_of,
    forge,
    set_clock,
    sign,
)


def test_the_schemes_case_does_not_matter(api: Api) -> None:
    alice = api.register("alice")

    for header in ("Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "):
        headers = {"Authorization": f"{header} {alice.access}"}
        response = api.get(NEEDS_TOKEN, headers=headers)
        assert response.status_code == 200, header
        assert response.json["username"] == "alice"
        assert api.get(TAKES_TOKEN, headers=headers).status_code == 200, header


def test_a_header_that_is_not_one_bearer_token_is_refused(api: Api) -> None:
    alice = api.register("alice")
    good = alice.access
    for header in (
        *("", " ", ",", ", , x", "Bearer", "Bearer ", "bearer", "Bearer ,", "x"),
        *("Basic YWxpY2U6cGFzc3dvcmQxMjM=", f"Basic {good}", f"Token {good}", good),
        *(f"Bearer {good} {good}", f"Bearer {good},Bearer {good}", f"Bearer {good},"),
        *(f"Basic eA==, Bearer {good}", f"Bearer {good}, Basic eA==", f"Bearer{good}"),
        *(
            f'Bearer "{good}"',
            f"Bearer token={good}",
            f"Bearer\t{good}",
            f" Bearer {good}",
        ),
        *(
            f"Bearer {good}\u00e9",
            f"Bearer {good}\x00",
            f"Bearer {good}=",
            "B\u00e9arer x",
        ),
        *("Bearer x", "Bearer a.b", "Bearer a.b.c", "Bearer a.b.c.d.e", "Bearer .."),
        *(f"Bearer {'a' * 5000}.b.c", "Bearer " + "a" * 16000, "Bearer null"),
    ):
        for path in (NEEDS_TOKEN, TAKES_TOKEN):
            response = api.get(path, headers={"Authorization": header})
            assert_refused(response, "token_invalid", (header, path))


def test_no_other_place_for_a_token_is_looked_at(api: Api) -> None:
    token = api.register("alice").access

    for options in (
        {"query_string": {"jwt": token, "access_token": token}},
        {"headers": {"Cookie": f"access_token_cookie={token}"}},
        {"json": {"access_token": token}},
        {"headers": {"X-Authorization": f"Bearer {token}"}},
    ):
        response = api.get(NEEDS_TOKEN, **options)
        assert_refused(response, "not_authenticated", options)


def _routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Yield each call with its method, its path and who may make it."""
    for rule in app.url_map.iter_rules():
        auth = operation_of(app.view_functions[rule.endpoint]).auth
        path = rule.rule.replace("<username:username>", "alice")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield auth, method, path


def test_every_call_that_needs_a_token_asks_for_it_first(api: Api, app: Flask) -> None:
    token = api.register("alice").access
    routes = [route for route in _routes(app) if route[0] == "required"]

    assert len(routes) >= 9
    for _, method, path in routes:
        # Before it looks at the body, here without one, or at the query.
        url = f"{path}?batch_size=x"
        assert_refused(api.call(method, url), "not_authenticated", url)
        response = api.call(method, url, token=token + "x")
        assert_refused(response, "token_invalid", url)


def test_every_read_for_all_is_open_but_not_with_a_bad_token(
    api: Api, app: Flask
) -> None:
    alice = api.register("alice")
    routes = [route for route in _routes(app) if route[0] == "optional"]

    assert len(routes) >= 5
    for _, method, path in routes:
        assert api.call(method, path).status_code == 200, path
        assert api.call(method, path, token=alice.access).status_code == 200, path
        response = api.call(method, path, token=alice.access + "x")
        assert_refused(response, "token_invalid", path)


def test_public_reads_false_makes_every_read_need_a_token(settings: TestConfig) -> None:
    app = create_app(replace(settings, public_reads=False))
    api = Api(app)
    alice = api.register("alice")
    for auth, method, path in _routes(app):
        if auth == "optional":
            assert_refused(api.call(method, path), "not_authenticated", path)
            response = api.call(method, path, token=alice.access + "x")
            assert_refused(response, "token_invalid", path)
            assert api.call(method, path, token=alice.access).status_code == 200, path
    # A client without a token must be able to get one.
    body = {"username": "alice", "password": alice.password}
    assert api.post("login/", body).status_code == 200
    assert api.post("token/refresh/", {"refresh": alice.refresh}).status_code == 200
    with app.app_context():
        db.engine.dispose()


def test_a_token_of_another_make_is_invalid(api: Api, app: Flask) -> None:
    alice = api.register("alice")
    good, key = alice.access, app.config["JWT_SECRET_KEY"]
    claims = claims_of(good)
    payload = json.dumps(claims).encode()
    header, body, signature = good.split(".")
    other_body = forge(app, good, sub="2").split(".")[1]
    nested = b"[" * 2600
    cases: dict[str, str] = {
        "refresh token": alice.refresh,
        "oversized": forge(app, good, padding="x" * 4096),
        "no signature": f"{header}.{body}.",
        "other signature": f"{header}.{body}.{signature[::-1]}",
        "other claims": f"{header}.{other_body}.{signature}",
        "other key": jwt.encode(claims, OTHER_KEY, "HS256"),
        "other algorithm": jwt.encode(claims, key * 2, "HS512"),
        "alg none": jwt.encode(claims, "", "none") + "x",
        "alg none, signed": forge(app, good, header={"alg": "none"}),
        "alg missing": sign(key, b'{"typ":"JWT"}', payload),
        "alg no string": forge(app, good, header={"alg": ["HS256"]}),
        "alg unknown": forge(app, good, header={"alg": "RS256"}),
        "crit": forge(app, good, header={"crit": ["exp"]}),
        "crit no list": forge(app, good, header={"crit": "exp"}),
        "b64 false": forge(app, good, header={"b64": False, "crit": ["b64"]}),
        "kid no string": forge(app, good, header={"kid": {"a": 1}}),
        "header no JSON": forge(app, good, header=b"\xff"),
        "header no object": forge(app, good, header=b"[]"),
        "header null": forge(app, good, header=b"null"),
        "header nested deep": forge(app, good, header=b'{"alg":' + nested),
        "header with a huge number": forge(
            app, good, header=b'{"alg":' + b"9" * 2000 + b"}"
        ),
        "payload no JSON": sign(key, b'{"alg":"HS256"}', b"\xff"),
        "payload no object": sign(key, b'{"alg":"HS256"}', b"[]"),
        "payload nested deep": sign(key, b'{"alg":"HS256"}', nested),
    }

    for case, token in cases.items():
        assert_refused_everywhere(api, token, "token_invalid", case)
    assert api.get(NEEDS_TOKEN, token=good).status_code == 200


def test_a_token_with_a_claim_missing_or_of_another_form_is_invalid(
    api: Api, app: Flask
) -> None:
    good = api.register("alice").access
    changes = [
        *alter("drop", *REQUIRED_CLAIMS),
        *alter("iss", "somebody", "", None, ["careers_users"], 1),
        *alter("aud", "somebody", "", None, ["careers"], ["x"], {}),
        *alter("type", "refresh", "Access", "", None, ["access"], 1),
        *alter("sub", 1, None, ["1"], "", "0", "-1", "+1", "01", "1.0", "1" * 20),
        *alter("sub", "\uff11", "1\n", " 1", "alice"),
        *alter("sid", 1, None, [], "", "A" * 32, "0" * 31, "\x00" * 32),
        *alter("ver", "1", 1.0, True, None, [1]),
        *alter("jti", 1, None, ["x"]),
        *alter("exp", "4102444800", 4102444800.5, True, None, [1]),
    ]

    assert {*REQUIRED_CLAIMS} >= {
        "sub",
        "sid",
        "ver",
        "jti",
        "type",
        "exp",
        "iss",
        "aud",
    }
    for altered in changes:
        token = forge(app, good, **altered)
        assert_refused_everywhere(api, token, "token_invalid", altered)
    assert api.get(NEEDS_TOKEN, token=forge(app, good)).status_code == 200


def test_a_token_with_a_claim_that_no_database_can_hold_is_invalid(
    api: Api, app: Flask
) -> None:
    # Only who has the key can make one: another service that was given it, perhaps.
    alice = api.register("alice")
    changes = [
        *alter("sub", str(2**63), "9" * 19),
        *alter("ver", 2**31, 2**63, 10**400, -(2**64)),
        *alter("exp", 10**12, 10**30, 10**400, -(10**30)),
        *alter("jti", "a\x00b", "\ud800"),
    ]
    refresh_changes = alter("gen", "x", 2**70, [1], {}, "\x00")

    for altered in changes:
        token = forge(app, alice.access, **altered)
        assert_refused_everywhere(api, token, "token_invalid", altered)
    for altered in changes + refresh_changes:
        token = forge(app, alice.refresh, **altered)
        response = api.post("token/refresh/", {"refresh": token})
        assert_refused(response, "token_invalid", altered)
        response = api.post("logout/", {"refresh": token}, token=alice.access)
        assert response.status_code == 400, altered


def test_a_token_is_good_for_an_hour_and_then_expired(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")

    # Another instance's clock may be a little behind that of the one that issued it.
    set_clock(monkeypatch, NOON - timedelta(seconds=30))
    assert api.get(NEEDS_TOKEN, token=alice.access).status_code == 200
    set_clock(monkeypatch, NOON + timedelta(minutes=60) - SECOND)
    assert api.get(NEEDS_TOKEN, token=alice.access).status_code == 200
    set_clock(monkeypatch, NOON + timedelta(minutes=60))
    assert_refused_everywhere(api, alice.access, "token_expired", "an hour later")
    # One that is also wrong was never good: it is not said to have expired.
    forged = jwt.encode(claims_of(alice.access), OTHER_KEY, "HS256")
    assert_refused_everywhere(api, forged, "token_invalid", "other key, expired")
    token = forge(app, alice.access, exp=0)
    assert_refused_everywhere(api, token, "token_expired", "1970")


def test_a_token_whose_session_or_user_is_over_is_revoked(api: Api, app: Flask) -> None:
    api.register("alice")
    users = {name: api.register(name) for name in ("bob", "carol", "dave", "erin")}
    for user in users.values():  # Good ones, and remembered to be so.
        assert api.get(NEEDS_TOKEN, token=user.access).status_code == 200
    body = {"refresh": users["bob"].refresh}

    assert api.post("logout/", body, token=users["bob"].access).status_code == 200
    change_user(app, "carol", is_active=False)
    change_user(app, "dave", token_version=2)
    change(app, delete(User).where(User.username == "erin"))

    for name, user in users.items():
        assert_refused_everywhere(api, user.access, "token_revoked", name)
    change_user(app, "carol", is_active=True)
    assert api.get(NEEDS_TOKEN, token=users["carol"].access).status_code == 200


def test_tokens_of_another_installation_are_invalid(
    api: Api, settings: TestConfig
) -> None:
    alice = api.register("alice")
    for altered in (
        {"jwt_secret_key": OTHER_KEY},
        {"jwt_issuer": "elsewhere"},
        {"jwt_audience": "others"},
    ):
        other = create_app(replace(settings, **altered))  # type: ignore[arg-type]
        assert_refused_everywhere(Api(other), alice.access, "token_invalid", altered)
        body = {"username": "alice", "password": alice.password}
        theirs = Api(other).post("login/", body).json["access"]
        assert Api(other).get(NEEDS_TOKEN, token=theirs).status_code == 200
        assert_refused_everywhere(api, theirs, "token_invalid", altered)
        with other.app_context():
            db.engine.dispose()
