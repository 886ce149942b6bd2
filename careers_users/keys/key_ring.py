"""The keys that sign tokens, each with a name and its time.

Tokens name the key that signed them (`kid`), so keys can be replaced while the tokens
of the old ones stay good. A new key is published first and signs later, when all
instances and sister services have had time to read it.
"""

import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from careers_users import clock
from careers_users.validation.limits import REFRESH_LIFETIME

ALGORITHMS = ("EdDSA", "RS256", "HS256")
# NIST SP 800-57 part 1: 3072 bits of RSA are as strong as AES-128, good past 2030.
RSA_BITS = 3072
# How long a key's tokens are taken after the next one has begun to sign: as long as a
# token can live, and a while for instances that were late to read of it.
KEEP_SECONDS = (REFRESH_LIFETIME + timedelta(minutes=30)).total_seconds()


class KeyRingError(Exception):
    """The keys can't be used or written; the message says why and what to do."""


class KeyRingNotWritten(KeyRingError):
    """The file of the keys can't be written, or another command is writing it."""


@dataclass(frozen=True, eq=False)
class Key:
    """A key by its name; that of a service without a ring has none."""

    kid: str | None
    algorithm: str
    private: Any
    public: Any
    # Seconds since the epoch: when it begins to sign, and when its last token is over.
    use_from: float = -math.inf
    good_until: float = math.inf


@dataclass(frozen=True, eq=False)
class KeyRing:
    """Keys in the order in which they sign, and a secret for keyed hashes."""

    keys: tuple[Key, ...]
    secret: bytes

    def signing_key(self) -> Key:
        """Return the key that signs now; KeyRingError if none does yet."""
        now = clock.utcnow().timestamp()
        for key in reversed(self.keys):
            if key.use_from <= now:
                return key
        raise KeyRingError("No key of the ring is to be used yet.")

    def find(self, kid: str | None) -> Key | None:
        """Return the key of that name, also one whose time is over or still to come."""
        return next((key for key in self.keys if key.kid == kid), None)

    def public_keys(self) -> list[dict[str, Any]]:
        """Return the public keys in use or soon to be, as JWKs (RFC 7517, RFC 8037)."""
        now = clock.utcnow().timestamp()
        return [
            _jwk(key)
            for key in self.keys
            if key.algorithm != "HS256" and key.good_until > now
        ]


def _jwk(key: Key) -> dict[str, Any]:
    algorithm = OKPAlgorithm if key.algorithm == "EdDSA" else RSAAlgorithm
    members: dict[str, Any] = algorithm.to_jwk(key.public, as_dict=True)
    # RFC 7517, section 4.3: not both `use` and `key_ops`.
    members.pop("key_ops", None)
    return {**members, "kid": key.kid, "alg": key.algorithm, "use": "sig"}


def ring_of(keys: Iterable[Key], secret: bytes) -> KeyRing:
    """Return the ring of these keys: each is good until a while after its successor."""
    ordered = sorted(keys, key=lambda key: key.use_from)
    ends = [after.use_from + KEEP_SECONDS for after in ordered[1:]] + [math.inf]
    return KeyRing(
        tuple(
            replace(key, good_until=end) for key, end in zip(ordered, ends, strict=True)
        ),
        secret,
    )


def new_key(algorithm: str, use_from: float) -> Key:
    """Return a new key with a name of its own."""
    private: Any
    if algorithm == "HS256":
        private = secrets.token_urlsafe(48)
        public = private
    elif algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
        public = private.public_key()
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        public = private.public_key()
    return Key(secrets.token_hex(8), algorithm, private, public, use_from)
