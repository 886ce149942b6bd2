"""Tokens whose header would lead to another key, and others that are too clever."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from careers_users import keys
from careers_users.keys import Key
from config import TestConfig
from tests.auth.refused import assert_refused_everywhere
from tests.auth.stored import NOON, claims_of, set_clock, sign
from tests.keys.key_rings import (
    JWKS,
    MINUTE,
    OTHER_SECRET,
    each_algorithm,
    header_of,
    keys_command,
    ringed,
    works,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the key ring is."""
    return tmp_path / "keys.json"


@dataclass(frozen=True)
class Forger:
    """Makes tokens of alice, with the key of hers or the ring's other secret."""

    claims: dict[str, Any]
    key: Key
    other: Key

    def signed(self, **header: Any) -> str:
        """Return a token with the right signature and more in its header."""
        return jwt.encode(
            self.claims,
            self.key.private,
            self.key.algorithm,
            {"kid": self.key.kid, **header},
        )

    def hs256(self, secret: str | None = None, **header: Any) -> str:
        """Return a token with any header, its HS256 signature made with some secret."""
        text = json.dumps({"alg": "HS256", "typ": "JWT", **header}).encode()
        secret = str(self.other.private) if secret is None else secret
        return sign(secret, text, json.dumps(self.claims).encode())

    def names(self) -> dict[str, str]:
        """Names of keys that lead nowhere, or should not."""
        good, other = str(self.key.kid), self.other.kid
        texts = (
            *("", "../../../../dev/null", "/dev/null", "..", "keys.json", "\x00"),
            *("' OR '1'='1", "x' UNION SELECT 'a' --", "a" * 65, f"{good} ", "\u0131"),
            *(f"{good}\n", "unknown", str(other), "http://127.0.0.1/key"),
        )
        others: tuple[Any, ...] = (None, 1, True, [], [other], {}, {"kid": other})
        return {
            **{f"kid {name!r}": self.signed(kid=name) for name in texts},
            **{f"kid {name!r}": self.hs256(kid=name) for name in others},
            "kid of another key": self.hs256(kid=good),
            "no kid": self.hs256(),
            "no kid, somebody's secret": self.hs256(OTHER_SECRET),
            "empty secret": self.hs256("", kid=good),
            "the contents of /dev/null": self.hs256("", kid="../../dev/null"),
        }

    def headers(self) -> dict[str, str]:
        """Headers that bring their own key, or ask for something clever."""
        good, theirs = self.key.kid, keys.new_key("EdDSA", 0)
        jwk = keys.KeyRing((theirs,), b"").public_keys()[0]

        def brought(**header: Any) -> str:
            return jwt.encode(self.claims, theirs.private, "EdDSA", header)

        names = {"EdDSA", "RS256", "HS256", "HS512", "none", "hs256"}
        return {
            "jku": self.signed(jku="https://evil.example/jwks.json"),
            "x5u": self.signed(x5u="https://evil.example/cert.pem"),
            "x5c": self.signed(x5c=["MIIB"]),
            "jwk": brought(jwk=jwk),
            "jwk with kid": brought(jwk=jwk, kid=good),
            "jku with kid": brought(jku="http://127.0.0.1/", kid=good),
            "crit": self.signed(crit=["kid"]),
            "typ": self.signed(typ="dpop+jwt"),
            "typ null": self.hs256(typ=None, kid=self.other.kid),
            "alg none": jwt.encode(self.claims, "", "none", {"kid": good}) + "x",
            "alg in small letters": self.hs256(alg="hs256", kid=self.other.kid),
            **{
                f"alg {name}": self.hs256(alg=name, kid=good)
                for name in names - {self.key.algorithm}
            },
        }


@each_algorithm
def test_no_header_leads_to_another_key(
    settings: TestConfig, path: Path, algorithm: str
) -> None:
    keys_command(path, "generate", "--algorithm", "HS256")
    keys_command(path, "rotate", "--delay", "0", "--algorithm", algorithm)
    other, key = keys.read_ring(path).keys
    with ringed(settings, path) as api:
        good = api.register("alice").access
        assert header_of(good)["kid"] == key.kid
        forger = Forger(claims_of(good), key, other)

        for case, token in {**forger.names(), **forger.headers()}.items():
            assert_refused_everywhere(api, token, "token_invalid", case)
        # The control: with nothing wrong about it, such a token is taken.
        assert works(api, forger.signed())
        assert works(api, forger.hs256(kid=other.kid))


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_a_public_key_is_no_secret_to_sign_with(
    settings: TestConfig, path: Path, algorithm: str
) -> None:
    keys_command(path, "generate", "--algorithm", algorithm)
    with ringed(settings, path) as api:
        good = api.register("alice").access
        public = keys.read_ring(path).keys[0].public
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
        key = keys.read_ring(path).keys[0]

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
