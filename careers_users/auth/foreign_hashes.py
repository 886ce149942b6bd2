"""Password hashes that Django and Werkzeug made: recognised, bounded and verified.

The cost of a hash stands in it, so the author of an imported file decides how long a
login takes. Costs above the bounds here, which allow more than the frameworks
have ever used by default, make a hash one that can't be verified.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from argon2 import Parameters, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import verify_secret

# The library, if the extra is installed.
_bcrypt: Any = import_module("bcrypt") if find_spec("bcrypt") else None
log = logging.getLogger(__name__)

# PBKDF2: Django 6 uses 1,200,000 rounds; so many take a core two to four seconds.
ROUNDS_MAX = 5_000_000
# scrypt: N * r is memory in units of 128 bytes, N * r * p is time.
SCRYPT_MEMORY_MAX_BYTES = 256 * 1024**2
SCRYPT_WORK_MAX = 2**22
# Argon2: Django uses 100 MiB, 2 passes, parallelism 8.
ARGON2_MEMORY_MAX_KIB = 256 * 1024
ARGON2_PASSES_MAX = 10
ARGON2_PARALLELISM_MAX = 16
# bcrypt: one more doubles the time; 12 takes a quarter of a second.
BCRYPT_COST_MAX = 15
# bcrypt reads no more of a password, and recent versions of the library refuse more.
_BCRYPT_BYTES = 72

_DJANGO_PBKDF2 = re.compile(
    r"pbkdf2_(sha256|sha1)\$([0-9]{1,8})\$([^$]{1,128})\$([A-Za-z0-9+/=]{1,100})"
)
_DJANGO_SCRYPT = re.compile(
    r"scrypt\$([0-9]{1,8})\$([^$]{1,128})\$([0-9]{1,4})\$([0-9]{1,4})\$"
    r"([A-Za-z0-9+/=]{1,100})"
)
_DJANGO_ARGON2 = re.compile(r"argon2(\$argon2(?:id|i|d)\$[!-~]+)")
_DJANGO_BCRYPT = re.compile(
    r"bcrypt(_sha256)?\$(\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53})"
)
_WERKZEUG_PBKDF2 = re.compile(
    r"pbkdf2:(sha1|sha256|sha512):([0-9]{1,8})\$([^$]{1,128})\$([0-9a-f]{1,128})"
)
_WERKZEUG_SCRYPT = re.compile(
    r"scrypt:([0-9]{1,8}):([0-9]{1,4}):([0-9]{1,4})\$([^$]{1,128})\$([0-9a-f]{1,128})"
)


_Decode = Callable[[str], bytes | None]


@dataclass(frozen=True)
class ForeignHash:
    """A hash of another framework: the name of its scheme, and how to verify it."""

    scheme: str
    verify: Callable[[str], bool]


def recognise(stored: str) -> ForeignHash | None:
    """Return the foreign hash that `stored` is; None if it can't be verified here."""
    for pattern, make in _FORMS:
        if match := pattern.fullmatch(stored):
            return make(match)
    return None


def needs_bcrypt(stored: str) -> bool:
    """Return whether only the missing extra `bcrypt` keeps `stored` from being used."""
    return not has_bcrypt() and _DJANGO_BCRYPT.fullmatch(stored) is not None


def has_bcrypt() -> bool:
    """Return whether the extra `bcrypt` is installed."""
    return _bcrypt is not None


def _pbkdf2(name: str, decode: _Decode, match: re.Match[str]) -> ForeignHash | None:
    digest, rounds, salt, word = match.groups()
    expected = decode(word)
    if not expected or not 1 <= int(rounds) <= ROUNDS_MAX:
        return None
    salted = (salt.encode(), int(rounds))
    return ForeignHash(
        name.format(digest),
        lambda password: hmac.compare_digest(
            hashlib.pbkdf2_hmac(digest, password.encode(), *salted), expected
        ),
    )


def _django_scrypt(match: re.Match[str]) -> ForeignHash | None:
    n, salt, r, p, expected = match.groups()
    return _scrypt("scrypt", int(n), int(r), int(p), salt, _base64(expected))


def _werkzeug_scrypt(match: re.Match[str]) -> ForeignHash | None:
    n, r, p, salt, expected = match.groups()
    return _scrypt("scrypt:", int(n), int(r), int(p), salt, _hex(expected))


def _scrypt(
    scheme: str, n: int, r: int, p: int, salt: str, expected: bytes | None
) -> ForeignHash | None:
    is_power_of_two = n >= 2 and n & (n - 1) == 0
    if not (expected and is_power_of_two and r and p):
        return None
    if n >= 1 << min(16 * r, 63):  # OpenSSL takes no more (RFC 7914, section 2).
        return None
    if 128 * n * r > SCRYPT_MEMORY_MAX_BYTES or n * r * p > SCRYPT_WORK_MAX:
        return None
    compute = partial(
        hashlib.scrypt,
        salt=salt.encode(),
        n=n,
        r=r,
        p=p,
        # OpenSSL counts the p blocks and the room for its work beside the N blocks.
        maxmem=128 * r * (n + p + 4),
        dklen=64,
    )
    return ForeignHash(
        scheme,
        lambda password: hmac.compare_digest(compute(password.encode()), expected),
    )


def _django_argon2(match: re.Match[str]) -> ForeignHash | None:
    encoded = match[1]
    try:
        parameters = extract_parameters(encoded)
    except InvalidHashError:
        return None
    if not is_bounded(parameters, ARGON2_MEMORY_MAX_KIB, ARGON2_PASSES_MAX):
        return None
    return ForeignHash("argon2", partial(_verify_argon2, encoded, parameters.type))


def is_bounded(parameters: Parameters, memory_max_kib: int, passes_max: int) -> bool:
    """Return whether a hash of Argon2 costs no more than this."""
    return (
        parameters.memory_cost <= memory_max_kib
        and parameters.time_cost <= passes_max
        and parameters.parallelism <= ARGON2_PARALLELISM_MAX
    )


def _verify_argon2(encoded: str, type_: Type, password: str) -> bool:
    try:
        return verify_secret(encoded.encode(), password.encode(), type_)
    except Argon2Error:
        return False


def _django_bcrypt(match: re.Match[str]) -> ForeignHash | None:
    hashed_first, encoded, cost = match.groups()
    if not 4 <= int(cost) <= BCRYPT_COST_MAX:
        return None
    if not has_bcrypt():
        _warn_of_missing_bcrypt()
        return None
    return ForeignHash(
        f"bcrypt{hashed_first or ''}",
        partial(_verify_bcrypt, encoded, hashed_first is not None),
    )


@cache
def _warn_of_missing_bcrypt() -> None:
    log.warning(
        "A stored password is a bcrypt hash, which can't be verified without the "
        "package bcrypt: pip install 'careers_users[bcrypt]'"
    )


def _verify_bcrypt(encoded: str, hashed_first: bool, password: str) -> bool:
    secret = password.encode()
    if hashed_first:
        secret = binascii.hexlify(hashlib.sha256(secret).digest())
    try:
        is_right: bool = _bcrypt.checkpw(secret[:_BCRYPT_BYTES], encoded.encode())
    except ValueError:
        return False
    return is_right


def _base64(word: str) -> bytes | None:
    try:
        return base64.b64decode(word, validate=True)
    except binascii.Error:
        return None


def _hex(word: str) -> bytes | None:
    try:
        return bytes.fromhex(word)
    except ValueError:
        return None


_FORMS: tuple[
    tuple[re.Pattern[str], Callable[[re.Match[str]], ForeignHash | None]], ...
] = (
    (_DJANGO_PBKDF2, partial(_pbkdf2, "pbkdf2_{}", _base64)),
    (_DJANGO_SCRYPT, _django_scrypt),
    (_DJANGO_ARGON2, _django_argon2),
    (_DJANGO_BCRYPT, _django_bcrypt),
    (_WERKZEUG_PBKDF2, partial(_pbkdf2, "pbkdf2:{}", _hex)),
    (_WERKZEUG_SCRYPT, _werkzeug_scrypt),
)
