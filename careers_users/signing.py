"""What makes a signed token valid: algorithm, issuer, audience, claims and expiry.

Flask-JWT-Extended issues the tokens and guards the views. Its own check, though, takes
any audience, tokens without an expiry and costs several times what PyJWT needs, so the
manager here replaces that one step for access and refresh tokens alike.
"""

import hmac
import re
from functools import lru_cache
from typing import Any

import jwt
from flask import current_app
from flask_jwt_extended import JWTManager

from careers_users import clock
from careers_users.limits import ID_MAX, INTEGER_MAX

ALGORITHM = "HS256"
# Verified tokens remembered per process: their signature need not be checked again.
# Expiry and revocation are checked on every request all the same.
CACHE_SIZE = 4096
REQUIRED_CLAIMS = ["sub", "sid", "ver", "jti", "type", "iat", "exp", "iss", "aud"]
# The last second of the year 9999, where `datetime` ends.
LAST_SECOND = 253_402_300_799
_USER_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_TOKEN_ID = re.compile(r"[0-9a-f-]{36}", re.ASCII)
_SESSION_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class TokenManager(JWTManager):
    """Flask-JWT-Extended's manager, with a stricter and faster check of a token."""

    def _decode_jwt_from_config(
        self, encoded_token: str, csrf_value: Any = None, allow_expired: bool = False
    ) -> dict[str, Any]:
        """Return the claims of a valid token.

        Raises jwt.ExpiredSignatureError if only its time is over (and `allow_expired`
        is false), jwt.InvalidTokenError for everything else that is wrong with it.
        """
        config = current_app.config
        claims = _verified_claims(
            encoded_token,
            config["JWT_SECRET_KEY"],
            config["JWT_DECODE_ISSUER"],
            config["JWT_DECODE_AUDIENCE"],
        ).copy()
        if claims["exp"] <= clock.utcnow().timestamp() and not allow_expired:
            error = jwt.ExpiredSignatureError("Signature has expired")
            # Flask-JWT-Extended's error handler reads these two.
            error.jwt_header, error.jwt_data = {}, claims  # type: ignore[attr-defined]
            raise error
        return claims


def secret_for(purpose: str) -> bytes:
    """Return a key for keyed hashes of one purpose, the same for all instances."""
    key: str = current_app.config["JWT_SECRET_KEY"]
    return hmac.digest(key.encode(), f"careers_users {purpose}".encode(), "sha256")


@lru_cache(maxsize=CACHE_SIZE)
def _verified_claims(
    token: str, key: str, issuer: str, audience: str
) -> dict[str, Any]:
    """Return the claims of a token signed by us for us; whether expired is not asked.

    A time of issue ahead of our clock is no fault: instances' clocks differ a little.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=issuer,
            audience=audience,
            options={
                "require": REQUIRED_CLAIMS,
                "verify_exp": False,
                "verify_iat": False,
                "strict_aud": True,
            },
        )
    except (RecursionError, TypeError, ValueError) as error:
        # The header is parsed before the signature is checked, so anybody can make it
        # nest a thousand deep or hold values of types the library does not expect.
        raise jwt.InvalidTokenError("Not a token of ours") from error
    if not _has_our_form(claims):
        raise jwt.InvalidTokenError("A claim is not of its form")
    return claims


def _has_our_form(claims: dict[str, Any]) -> bool:
    """Tell whether each claim has the form in which we issue it.

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
        and (not is_refresh or _is_number(claims.get("gen"), INTEGER_MAX))
    )


def _is_number(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most
