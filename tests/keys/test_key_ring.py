"""Signing keys: rotation signs no user out, names lead nowhere, public keys."""

import json
from contextlib import ExitStack
from pathlib import Path

import jwt
import pytest
from flask import Flask

from careers_users import keys
from careers_users.keys import key_file
from config import TestConfig
from tests import in_process
from tests.api import Api
from tests.auth.refused import assert_refused, assert_refused_everywhere
from tests.auth.stored import NOON, claims_of, set_clock, sign
from tests.keys.key_rings import (
    JWKS,
    MINUTE,
    OTHER_SECRET,
    WEEK,
    each_algorithm,
    header_of,
    keys_command,
    log_in,
    ringed,
    works,
)
from tests.live_server import Client, Server, until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the key ring is."""
    return tmp_path / "keys.json"


@each_algorithm
def test_keys_are_replaced_without_signing_anybody_out(
    settings: TestConfig, path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    set_clock(monkeypatch, NOON)
    keys_command(path, "generate", "--algorithm", algorithm)
    with ringed(settings, path) as api:
        first = api.register("alice")
        old = header_of(first.access)
        assert old == {"alg": algorithm, "typ": "at+jwt", "kid": old["kid"]}
        assert works(api, first.access)

        keys_command(path, "rotate")
        # Published, but others have ten minutes to read of it before it signs.
        assert header_of(log_in(api)[0]) == old
        set_clock(monkeypatch, NOON + 10 * MINUTE)
        access, refresh = log_in(api)
        new = header_of(access)
        assert new == {**old, "kid": new["kid"]}
        assert new["kid"] != old["kid"]
        assert works(api, access)
        assert works(api, first.access)
        for token in (first.refresh, refresh):
            body = api.post("token/refresh/", {"refresh": token}).json
            assert header_of(body["access"]) == new
            assert works(api, body["access"])

        # When its last token is over, a key is over too, and goes with the next one.
        set_clock(monkeypatch, NOON + WEEK - MINUTE)
        reply = api.post("token/refresh/", {"refresh": first.refresh})
        assert reply.status_code == 200
        set_clock(monkeypatch, NOON + WEEK + 41 * MINUTE)
        assert "over, to be dropped" in keys_command(path, "list")
        assert f"Dropped {old['kid']}." in keys_command(path, "rotate")
        assert old["kid"] not in keys_command(path, "list")


def test_a_former_keys_time_ends_also_for_who_has_stolen_it(
    settings: TestConfig, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    keys_command(path, "generate")
    stolen = keys.read_ring(path).keys[0]
    keys_command(path, "rotate", "--delay", "0")
    with ringed(settings, path) as api:
        alice = api.register("alice")
        claims = {**claims_of(alice.access), "exp": int(NOON.timestamp()) * 2}
        forged = jwt.encode(
            claims, stolen.private, stolen.algorithm, {"kid": str(stolen.kid)}
        )
        set_clock(monkeypatch, NOON + WEEK + 29 * MINUTE)
        assert works(api, forged)
        set_clock(monkeypatch, NOON + WEEK + 31 * MINUTE)
        assert not works(api, forged)


def test_a_stolen_key_can_be_forgotten_at_once(
    settings: TestConfig, path: Path
) -> None:
    keys_command(path, "generate")
    with ringed(settings, path) as api:
        alice = api.register("alice")
        assert works(api, alice.access)
        keys_command(path, "rotate", "--forget-others")
        assert_refused_everywhere(api, alice.access, "token_invalid", "forgotten")
        reply = api.post("token/refresh/", {"refresh": alice.refresh})
        assert_refused(reply, "token_invalid", "forgotten")
        assert works(api, log_in(api)[0])


def test_tokens_from_before_the_ring_stay_good(
    settings: TestConfig, path: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")
    assert "kid" not in header_of(alice.access)
    keys_command(path, "generate")
    with ringed(settings, path) as ringed_api:
        assert works(ringed_api, alice.access)
        body = {"refresh": alice.refresh}
        assert ringed_api.post("token/refresh/", body).status_code == 200
        assert header_of(log_in(ringed_api)[0])["alg"] == "EdDSA"
        # But not for ever: the secret of then opens nothing a week later.
        forged = sign(
            settings.jwt_secret_key,
            b'{"alg":"HS256","typ":"JWT"}',
            json.dumps({**claims_of(alice.access), "exp": 4102444800}).encode(),
        )
        assert works(ringed_api, forged)
        set_clock(monkeypatch, NOON + WEEK + 31 * MINUTE)
        assert not works(ringed_api, forged)
    with ringed(settings, path, jwt_secret_key="") as without_secret:
        set_clock(monkeypatch, NOON)
        assert not works(without_secret, alice.access)


def test_unknown_names_make_the_file_be_read_once_a_second_at_most(
    settings: TestConfig, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys_command(path, "generate", "--algorithm", "HS256")
    looks: list[Path] = []
    look = key_file._stamp
    ticks = [1000.0]

    def counted(path: Path) -> tuple[int, ...]:
        looks.append(path)
        return look(path)

    with ringed(settings, path) as api:
        alice = api.register("alice")
        monkeypatch.setattr(key_file, "CHECK_SECONDS", 10**9)
        monkeypatch.setattr("time.monotonic", lambda: ticks[0])
        monkeypatch.setattr(key_file, "_stamp", counted)
        payload = json.dumps(claims_of(alice.access)).encode()

        def named(kid: str) -> str:
            header = {"alg": "HS256", "typ": "JWT", "kid": kid}
            return sign(OTHER_SECRET, json.dumps(header).encode(), payload)

        for number in range(20):
            assert not works(api, named(f"guess{number}"))
        assert len(looks) == 1
        # Another instance has a new key already: its tokens are good here at once.
        keys_command(path, "rotate", "--delay", "0")
        with ringed(settings, path) as other:
            token = log_in(other)[0]
        monkeypatch.setattr(key_file, "CHECK_SECONDS", 10**9)
        looks.clear()
        assert not works(api, token)
        ticks[0] += 1
        assert works(api, token)
        assert len(looks) == 2, "once to see the change, once to read"


def test_a_broken_file_leaves_the_keys_that_were_read(
    settings: TestConfig, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys_command(path, "generate")
    whole = path.read_text()
    with ringed(settings, path) as api:
        alice = api.register("alice")
        for content in ("", "{", "[]", whole[: len(whole) // 2], '{"keys": []}'):
            path.write_text(content)
            assert works(api, alice.access), content
            assert works(api, log_in(api)[0])
        path.unlink()
        assert works(api, alice.access)
        assert "the old ones stay" in caplog.text
        assert "PRIVATE" not in caplog.text
    # A process that has never read a good one can't answer, and says so.
    with ringed(settings, path) as late:
        assert late.get("me/", token=alice.access).status_code == 503


def test_the_public_keys_are_published_and_no_others(
    settings: TestConfig, path: Path
) -> None:
    keys_command(path, "generate", "--algorithm", "HS256")
    keys_command(path, "rotate", "--algorithm", "EdDSA", "--delay", "0")
    keys_command(path, "rotate", "--algorithm", "RS256")
    with ringed(settings, path) as api:
        reply = api.get(JWKS)
        assert reply.headers["Cache-Control"] == "public, max-age=300"
        names = [key.kid for key in keys.read_ring(path).keys]
        shown = {key["kid"]: key for key in reply.json["keys"]}
        assert list(shown) == names[1:], "the next one too, before it signs"
        edwards, rsa = shown.values()
        assert edwards.keys() == {"kid", "kty", "crv", "x", "alg", "use"}
        assert rsa.keys() == {"kid", "kty", "n", "e", "alg", "use"}
        assert {key["use"] for key in shown.values()} == {"sig"}
        assert api.post(JWKS).status_code == 405


def test_a_secret_is_not_published(api: Api) -> None:
    reply = api.get(JWKS)
    assert reply.status_code == 200
    assert reply.json == {"keys": []}


def test_a_sister_service_verifies_tokens_by_itself(
    database_url: str, path: Path, tmp_path: Path
) -> None:
    """And running servers use a new key without a restart, one after the other."""
    keys_command(path, "generate", "--algorithm", "EdDSA")
    env = {"DATABASE_URL": database_url, "CAREERS_USERS_JWT_KEY_RING": str(path)}
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(tmp_path, **env)) for _ in range(2)]
        one, two = [stack.enter_context(Client(s.port)) for s in servers]
        registered = one.register("alice").body
        token = registered["access"]
        url = f"http://127.0.0.1:{servers[1].port}{JWKS}"
        sister = jwt.PyJWKClient(url, cache_jwk_set=False)
        assert verified(sister, token) == ("1", "access")
        with pytest.raises(jwt.InvalidSignatureError):
            verified(sister, token[:-8] + "AAAAAAAA")

        command = ("keys", "rotate", "--delay", "0", "--algorithm", "RS256")
        done = in_process.run(tmp_path, *command, **env)
        assert done.returncode == 0, done.stderr
        body = {"refresh": registered["refresh"]}
        tokens = [token]

        def is_replaced() -> bool:
            tokens.append(two.call("POST", "token/refresh/", body).body["access"])
            return header_of(tokens[-1]) != header_of(token)

        until(is_replaced)
        fresh = tokens[-1]
        assert header_of(token)["alg"] == "EdDSA"
        assert header_of(fresh)["alg"] == "RS256"
        assert one.call("GET", "me/", token=fresh).status == 200
        assert two.call("GET", "me/", token=token).status == 200
        assert verified(sister, fresh) == verified(sister, token) == ("1", "access")


def verified(sister: jwt.PyJWKClient, token: str) -> tuple[str, str]:
    """Return what a sister service reads in a token: whose it is, and its type."""
    claims = jwt.decode(
        token,
        sister.get_signing_key_from_jwt(token).key,
        algorithms=["EdDSA", "RS256"],
        audience="careers",
        issuer="careers_users",
        options={"require": ["exp", "sub", "type"]},
    )
    return claims["sub"], claims["type"]


def test_keyed_hashes_stay_after_a_rotation(
    settings: TestConfig, path: Path, app: Flask
) -> None:
    keys_command(path, "generate")
    with ringed(settings, path) as api, api.app.app_context():
        before = keys.keyed_hash("throttle")
        assert before != keys.keyed_hash("another")
        keys_command(path, "rotate", "--forget-others")
        assert keys.keyed_hash("throttle") == before
    with app.app_context():
        assert keys.keyed_hash("throttle") != before
