"""The check of a signed token: key, algorithm, issuer, audience, claims, expiry.

Flask-JWT-Extended issues the tokens and guards the views. Its own check, though, takes
any audience, tokens without an expiry and costs several times what PyJWT needs, so the
manager here replaces that one step for access and refresh tokens alike.
"""

import hmac
import re
import uuid
from functools import lru_cache
from typing import Any

import jwt
import orjson
from flask import Flask, current_app
from flask_jwt_extended import JWTManager
from jwt.algorithms import HMACAlgorithm

from careers_users import clock
from careers_users.extensions import Slot
from careers_users.keys.key_file import KID, Keys
from careers_users.keys.key_ring import Key, KeyRing
from careers_users.settings import Settings
from careers_users.validation.limits import ID_MAX, INTEGER_MAX

# Verified tokens remembered per process: their signature need not be checked again.
# Expiry and revocation are checked on every request all the same. A thousand take 2 MB.
CACHE_SIZE = 2048
# RFC 9068, section 2.1: what libraries of sister services tell the two types by.
ACCESS_TYPE = "at+jwt"
REQUIRED_CLAIMS = ["sub", "sid", "ver", "jti", "type", "iat", "exp", "iss", "aud"]
# The last second of the year 9999, where `datetime` ends.
LAST_SECOND = 253_402_300_799
_USER_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_TOKEN_ID = re.compile(r"[0-9a-f-]{36}", re.ASCII)
_SESSION_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)

_SLOT = Slot[Keys]("keys")
current_keys = _SLOT.get  # Return the keys of the current application.


class _Hmac(HMACAlgorithm):
    """HMAC that looks at a key once, not again for each token.

    Whether it may be the public key of another algorithm, read as text, took 7% of the
    time of a refresh.
    """

    def prepare_key(self, key: str | bytes) -> bytes:
        """Return the key as bytes; InvalidKeyError if it is not fit for this."""
        return _prepared(key)

    def check_key_length(self, key: bytes) -> None:
        """Have nothing to say: settings refuse a key that is too short."""

    def sign(self, msg: bytes, key: bytes) -> bytes:
        """Return the signature; at once, without an object for it."""
        return hmac.digest(key, msg, self.hash_alg)


@lru_cache(maxsize=16)
def _prepared(key: str | bytes) -> bytes:
    return HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(key)


_SIGNER = jwt.PyJWS()
_SIGNER.unregister_algorithm("HS256")
_SIGNER.register_algorithm("HS256", _Hmac(HMACAlgorithm.SHA256))


class TokenManager(JWTManager):
    """Flask-JWT-Extended's manager, with our keys and a stricter, faster check."""

    def __init__(self) -> None:
        super().__init__()
        # Both give a `Key`, which says its algorithm and its time, too.
        self.encode_key_loader(lambda _identity: current_keys().ring().signing_key())
        self.decode_key_loader(lambda header, _claims: _key_for(header))

    def _encode_jwt_from_config(
        self,
        identity: str,
        token_type: str,
        claims: dict[str, Any] | None = None,
        fresh: Any = False,
        expires_delta: Any = None,
        headers: Any = None,
    ) -> str:
        """Return a token signed with the key whose time it is; `claims` has its times.

        Raises KeyRingError if no key can be used.
        """
        assert expires_delta is None, "the expiry is among the claims"
        config = current_app.config
        key: Any = self._encode_key_callback(identity)
        audience = config["JWT_ENCODE_AUDIENCE"]
        is_access = token_type == "access"
        payload = {
            "fresh": fresh,
            "jti": str(uuid.uuid4()),
            "type": token_type,
            "sub": identity,
            "aud": audience if is_access else refresh_audience(audience),
            "iss": config["JWT_ENCODE_ISSUER"],
            **(claims or {}),
        }
        header = {"typ": ACCESS_TYPE if is_access else "JWT", **(headers or {})}
        if key.kid:
            header["kid"] = key.kid
        return _SIGNER.encode(orjson.dumps(payload), key.private, key.algorithm, header)

    def _decode_jwt_from_config(
        self, encoded_token: str, csrf_value: Any = None, allow_expired: bool = False
    ) -> dict[str, Any]:
        """Return the claims of a valid token; raises what `decode` raises."""
        return self.decode(encoded_token, allow_expired=allow_expired)[1]

    def decode(
        self, token: str, *, allow_expired: bool = False
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return header and claims of a valid token.

        Raises jwt.ExpiredSignatureError if only its time is over (and `allow_expired`
        is false), jwt.InvalidTokenError for everything else that is wrong with it.
        """
        config, now = current_app.config, clock.utcnow().timestamp()
        names = config["JWT_DECODE_ISSUER"], config["JWT_DECODE_AUDIENCE"]
        header, claims, key = _verified(token, self, current_keys().ring(), *names)
        if claims["exp"] <= now and not allow_expired:
            error = jwt.ExpiredSignatureError("Signature has expired")
            # Flask-JWT-Extended's error handler reads these two.
            error.jwt_header, error.jwt_data = header, claims  # type: ignore[attr-defined]
            raise error
        if key.good_until <= now or claims.get("nbf", 0) > now:
            raise jwt.InvalidTokenError("Signed with a former key, or not valid yet")
        return header.copy(), claims.copy()

    def key_for(self, header: dict[str, Any]) -> Key:
        """Return the key that a token's header names."""
        key: Any = self._decode_key_callback(header, {})
        assert isinstance(key, Key)
        return key


def refresh_audience(audience: str) -> str:
    """Return for whom refresh tokens are: this service alone, no sister service."""
    return f"{audience}/refresh"


def init_app(app: Flask, settings: Settings) -> None:
    """Give `app` the keys of `settings`; the file is read when first needed."""
    _SLOT.set(app, Keys(settings.jwt_key_ring, settings.jwt_secret_key))


def share(source: Flask, target: Flask) -> None:
    """Let `target` use the keys of `source`, with the ring that was read there."""
    _SLOT.set(target, _SLOT.get(source))


def keyed_hash(purpose: str, *parts: object) -> str:
    """Return a hash that takes our secret to compute, the same in all instances.

    Hashes of different purposes can't be compared.
    """
    secret = current_keys().ring().secret
    key = hmac.digest(secret, f"careers_users {purpose}".encode(), "sha256")
    return hmac.digest(key, repr(parts).encode(), "sha256").hex()


@lru_cache(maxsize=CACHE_SIZE)
def _verified(
    token: str, manager: TokenManager, _ring: KeyRing, issuer: str, audience: str
) -> tuple[dict[str, Any], dict[str, Any], Key]:
    """Return header and claims of a token signed by us for us, and the key it took.

    Whether the time of either is over is not asked. A time of issue ahead of our clock
    is no fault: instances' clocks differ a little. Another ring has other keys.
    """
    try:
        header = jwt.get_unverified_header(token)
        _check_header(header)
        key = manager.key_for(header)
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public,
            algorithms=[key.algorithm],
            issuer=issuer,
            options={
                "require": REQUIRED_CLAIMS,
                "verify_aud": False,  # It depends on the type.
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (RecursionError, TypeError, ValueError) as error:
        # The header is parsed before the signature is checked, so anybody can make it
        # nest a thousand deep or hold values of types the library does not expect.
        raise jwt.InvalidTokenError("Not a token of ours") from error
    if not (_has_our_form(claims) and _has_its_purpose(header, claims, audience)):
        raise jwt.InvalidTokenError("A claim is not of its form")
    return header, claims, key


def _check_header(header: dict[str, Any]) -> None:
    """Raise InvalidTokenError for a header that says more than we write into it.

    No address of a key (`jku`, `x5u`), no key (`jwk`), no extension (`crit`).
    """
    kid = header.get("kid")
    is_ours = header.keys() <= {"alg", "typ", "kid"}
    if not is_ours or not (kid is None or KID.fullmatch(kid)):
        raise jwt.InvalidTokenError("The header is not of its form")


def _key_for(header: dict[str, Any]) -> Key:
    """Return the key that a header names, from our ring and nowhere else.

    Which algorithm the key is for, the ring says (RFC 8725, section 3.1).
    """
    keys, kid = current_keys(), header.get("kid")
    key = keys.ring().find(kid) or keys.ring_for_unknown().find(kid)
    if key is None:
        raise jwt.InvalidTokenError("No key of ours has this name")
    return key


def _has_its_purpose(
    header: dict[str, Any], claims: dict[str, Any], audience: str
) -> bool:
    """Return whether the header's type and the audience are those of the token's type.

    The version before wrote `JWT` into both types' headers, and one audience: such
    tokens are good until they expire, refresh tokens after seven days.
    """
    if claims["type"] == "access":
        return header.get("typ") in (ACCESS_TYPE, "JWT") and claims["aud"] == audience
    audiences = (refresh_audience(audience), audience)
    return header.get("typ") == "JWT" and claims["aud"] in audiences


def _has_our_form(claims: dict[str, Any]) -> bool:
    """Return whether each claim has the form in which we issue it.

    Those forms are also all that the database can hold, and `datetime` reckon with.
    """
    is_refresh = claims["type"] == "refresh"
    return (
        (is_refresh or claims["type"] == "access")
        and _USER_ID.fullmatch(claims["sub"]) is not None
        and int(claims["sub"]) <= ID_MAX
        and isinstance(claims["sid"], str)
        and _SESSION_ID.fullmatch(claims["sid"]) is not None
        and _TOKEN_ID.fullmatch(claims["jti"]) is not None
        and _is_number(claims["ver"], INTEGER_MAX)
        and _is_number(claims["exp"], LAST_SECOND)
        and _is_number(claims.get("nbf", 0), LAST_SECOND)
        and _is_number(claims.get("gen", None if is_refresh else 0), INTEGER_MAX)
    )


def _is_number(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most
