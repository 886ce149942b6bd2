"""Tokens whose header would lead to another key, and others that are too clever."""

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from careers_users import key_file, keyring
from config import TestConfig
from tests.auth.backstage import NOON, claims_of, set_clock, sign
from tests.auth.rings import (
    JWKS,
    MINUTE,
    OTHER_SECRET,
    each_algorithm,
    header_of,
    keys_command,
    ringed,
    works,
)
from tests.auth.test_bearer import assert_refused_everywhere


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the key ring is."""
    return tmp_path / "keys.json"


@each_algorithm
def test_no_header_leads_to_another_key(
    settings: TestConfig, path: Path, algorithm: str
) -> None:
    keys_command(path, "generate", "--algorithm", algorithm)
    keys_command(path, "rotate", "--delay", "0", "--algorithm", "HS256")
    keys_command(path, "rotate", "--delay", "0", "--algorithm", algorithm)
    theirs = keyring.new_key("EdDSA", 0)
    with ringed(settings, path) as api:
        good = api.register("alice").access
        kid = header_of(good)["kid"]
        claims = claims_of(good)
        payload = json.dumps(claims).encode()
        ring = key_file.read(path)
        key = ring.keys[-1]
        other = next(k for k in ring.keys if k.kid != kid and k.algorithm == "HS256")

        def signed(**header: Any) -> str:
            return jwt.encode(claims, key.private, algorithm, {"kid": kid, **header})

        def hs256(secret: str, **header: Any) -> str:
            parts = {"alg": "HS256", "typ": "JWT", **header}
            return sign(secret, json.dumps(parts).encode(), payload)

        assert works(api, signed())
        jwk = keyring.KeyRing((theirs,), b"").public_keys()[0]
        cases = {
            f"kid {name!r}": signed(kid=name)
            for name in (
                *("", "../../../../dev/null", "/dev/null", "..", "keys.json", "\x00"),
                *(
                    "' OR '1'='1",
                    "x' UNION SELECT 'a' --",
                    "a" * 65,
                    f"{kid} ",
                    "\u0131",
                ),
                *(f"{kid}\n", "unknown", str(other.kid), "http://127.0.0.1/key"),
            )
        }
        cases |= {
            f"kid {name!r}": hs256(str(other.private), kid=name)
            for name in (None, 1, True, [], [other.kid], {}, {"kid": other.kid})
        }
        cases |= {
            "kid of another key": hs256(str(other.private), kid=kid),
            "no kid": hs256(str(other.private)),
            "no kid, the secret of the settings": hs256(OTHER_SECRET),
            "empty secret": hs256("", kid=kid),
            "the contents of /dev/null": hs256("", kid="../../dev/null"),
            "jku": signed(jku="https://evil.example/jwks.json"),
            "x5u": signed(x5u="https://evil.example/cert.pem"),
            "x5c": signed(x5c=["MIIB"]),
            "jwk": jwt.encode(claims, theirs.private, "EdDSA", {"jwk": jwk}),
            "jwk with kid": jwt.encode(
                claims, theirs.private, "EdDSA", {"jwk": jwk, "kid": kid}
            ),
            "jku with kid": jwt.encode(
                claims,
                theirs.private,
                "EdDSA",
                {"jku": "http://127.0.0.1/", "kid": kid},
            ),
            "crit": signed(crit=["kid"]),
            "typ": signed(typ="at+jwt"),
            "typ absent": sign("x" * 32, b'{"alg":"HS256"}', payload),
            "alg none": jwt.encode(claims, "", "none", {"kid": kid}) + "x",
            "alg in other letters": hs256(
                str(other.private), alg="hs256", kid=other.kid
            ),
        }
        for other_name in {"EdDSA", "RS256", "HS256", "HS512", "none"} - {algorithm}:
            header = {"alg": other_name, "typ": "JWT", "kid": kid}
            text = json.dumps(header).encode()
            cases[f"alg {other_name}"] = sign(str(other.private), text, payload)
        for case, token in cases.items():
            assert_refused_everywhere(api, token, "token_invalid", case)
        assert works(api, hs256(str(other.private), kid=other.kid)), "the control"


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_a_public_key_is_no_secret_to_sign_with(
    settings: TestConfig, path: Path, algorithm: str
) -> None:
    keys_command(path, "generate", "--algorithm", algorithm)
    with ringed(settings, path) as api:
        good = api.register("alice").access
        public = key_file.read(path).keys[0].public
        published = api.get(JWKS).json["keys"][0]
        payload = json.dumps(claims_of(good)).encode()
        encodings = serialization.Encoding, serialization.PublicFormat
        pem = public.public_bytes(encodings[0].PEM, encodings[1].SubjectPublicKeyInfo)
        raw = published.get("x") or published["n"]
        for secret in (
            *(pem.decode(), pem.decode().strip(), raw, json.dumps(published)),
            base64.urlsafe_b64decode(raw + "==").decode("latin-1"),
            published["kid"],
        ):
            for name in ({"kid": published["kid"]}, {}):
                header = {"alg": "HS256", "typ": "JWT", **name}
                forged = sign(secret, json.dumps(header).encode(), payload)
                assert_refused_everywhere(api, forged, "token_invalid", secret[:30])


def test_a_token_that_is_not_valid_yet_is_refused(
    settings: TestConfig, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    keys_command(path, "generate", "--algorithm", "HS256")
    now = int(NOON.timestamp())
    with ringed(settings, path) as api:
        good = api.register("alice").access
        key = key_file.read(path).keys[0]

        def valid_from(moment: Any) -> str:
            claims = {**claims_of(good), "nbf": moment}
            return jwt.encode(claims, key.private, "HS256", {"kid": str(key.kid)})

        later = valid_from(now + 60)
        for moment in (now + 1, now + 10**9, str(now), now - 0.5, True, None, -1):
            token = valid_from(moment)
            assert_refused_everywhere(api, token, "token_invalid", moment)
        assert not works(api, later)
        assert works(api, valid_from(now))
        set_clock(monkeypatch, NOON + MINUTE)
        assert works(api, later)
