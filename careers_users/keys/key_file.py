"""The file of keys: written whole or not at all, kept private, read again when changed.

Running servers notice a changed file by themselves; several instances on one machine
share it, and others get copies of it.
"""

import json
import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from careers_users.keys.key_ring import (
    Key,
    KeyRing,
    KeyRingError,
    KeyRingNotWritten,
    ring_of,
)
from careers_users.settings import secret_file
from careers_users.validation.limits import MINIMUM_KEY_BYTES

log = logging.getLogger(__name__)

# How often the file is looked at; and, for the sake of a name not known, at most.
CHECK_SECONDS, UNKNOWN_SECONDS = 5.0, 1.0
FILE_MAX = 256 * 1024
RSA_BITS_MIN = 2048
KID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class Keys:
    """The ring in use; if it comes from a file, read again when that has changed."""

    def __init__(self, path: Path | None, unnamed_secret: str) -> None:
        self._path = path
        self._unnamed = unnamed_secret
        self._ring: KeyRing | None = None
        self._stamp: tuple[int, ...] = ()
        self._looked_at = self._asked_at = -math.inf
        self._lock = threading.Lock()

    def ring(self) -> KeyRing:
        """Return the ring; KeyRingError if there has never been a good one."""
        if self._ring is None:
            with self._lock:
                self._ring = self._ring or self._load()
        elif self._path and time.monotonic() - self._looked_at >= CHECK_SECONDS:
            self._look_again()
        return self._ring

    def ring_for_unknown(self) -> KeyRing:
        """Return the ring as the file has it now, unless that was asked just now."""
        if self._path and time.monotonic() - self._asked_at >= UNKNOWN_SECONDS:
            self._asked_at = time.monotonic()
            self._look_again()
        return self.ring()

    def _look_again(self) -> None:
        with self._lock:
            self._looked_at = time.monotonic()
            try:
                if self._path and _stamp(self._path) != self._stamp:
                    self._ring = self._load()
                    log.info("Read the keys in %s anew.", self._path)
            except (KeyRingError, OSError) as error:
                # The keys read before are still good, but an operator must act.
                log.error("The keys can't be read anew, the old ones stay: %s", error)

    def _load(self) -> KeyRing:
        unnamed = _unnamed(self._unnamed) if self._unnamed else None
        if self._path is None:
            if unnamed is None:
                raise KeyRingError("There is no key to sign tokens with.")
            return KeyRing((unnamed,), self._unnamed.encode())
        try:
            # Before the content: a change in between is then noticed next time.
            self._stamp = _stamp(self._path)
        except OSError as error:
            raise _unreadable(self._path, error) from error
        self._looked_at = time.monotonic()
        ring = read_ring(self._path)
        if unnamed is None:
            return ring
        # Tokens from before the ring; they end as those of any other former key.
        return ring_of((unnamed, *ring.keys), ring.secret)


def _unnamed(secret: str) -> Key:
    return Key(None, "HS256", secret, secret)


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_ring(path: Path) -> KeyRing:
    """Return the ring in the file at `path`.

    Raises KeyRingError if it can't be read, others may read it (its group may), or it
    is no key ring.
    """
    try:
        with path.open("rb") as file:
            secret_file.refuse_public(os.fstat(file.fileno()).st_mode)
            raw = file.read(FILE_MAX + 1)
    except secret_file.SecretFileError as error:
        raise KeyRingError(f"The key ring {path} {error}") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        content = json.loads(raw[:FILE_MAX])
        keys = [_key_of(entry) for entry in content["keys"]]
        secret = str(content["secret"]).encode()
        names = {key.kid for key in keys}
        if not keys or len(names) < len(keys) or len(secret) < MINIMUM_KEY_BYTES:
            raise ValueError("no keys, two of one name, or a short secret")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        # Without the error's own words: they may quote a key.
        raise KeyRingError(
            f"{path} is no key ring ({type(error).__name__}): restore it from a copy, "
            "or make a new one with: careers-users keys generate"
        ) from None
    return ring_of(keys, secret)


def _unreadable(path: Path, error: OSError) -> KeyRingError:
    advice = "Make one with: careers-users keys generate"
    if isinstance(error, PermissionError):
        advice = "Give it to the service's user (mode 0600) or group (0640)."
    return KeyRingError(
        f"The key ring {path} can't be read: {error.strerror or error}. {advice}"
    )


def _key_of(entry: dict[str, Any]) -> Key:
    kid, algorithm, private = entry["kid"], entry["alg"], entry["key"]
    if not KID.fullmatch(kid) or type(entry["use_from"]) is not int:
        raise ValueError("a name or a time of another form")
    use_from = float(entry["use_from"])
    if algorithm == "HS256":
        if len(private.encode()) < MINIMUM_KEY_BYTES:
            raise ValueError("a short key")
        return Key(kid, algorithm, private, private, use_from)
    loaded = serialization.load_pem_private_key(private.encode(), password=None)
    fits = {"EdDSA": ed25519.Ed25519PrivateKey, "RS256": rsa.RSAPrivateKey}
    if not isinstance(loaded, fits[algorithm]):
        raise TypeError("a key of another kind than its algorithm")
    if isinstance(loaded, rsa.RSAPrivateKey) and loaded.key_size < RSA_BITS_MIN:
        raise ValueError("a short key")
    return Key(kid, algorithm, loaded, loaded.public_key(), use_from)


def write_ring(path: Path, content: Callable[[], tuple[Iterable[Key], bytes]]) -> None:
    """Replace the file at `path`, or make it: whole or not at all, and private (0600).

    `content` returns its keys and secret; it is called while no other process can
    write. Raises KeyRingNotWritten if the file can't be written, or is being written.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise KeyRingNotWritten(
            f"{new} is there: another command is writing the keys. If none is, one was "
            "interrupted; delete that file."
        ) from error
    except OSError as error:
        raise KeyRingNotWritten(f"Can't write {path}: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            _give_to_owner(path, file.fileno())
            file.write(_text_of(*content()))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise KeyRingNotWritten(f"Can't write {path}: {error.strerror}.") from error
    finally:
        with suppress(FileNotFoundError):  # It is where it should be.
            new.unlink()


def _give_to_owner(path: Path, descriptor: int) -> None:
    """Let root rotate the keys of a service that runs as another user."""
    if os.name == "posix" and path.exists():
        status = path.stat()
        if status.st_uid != os.geteuid():
            os.fchown(descriptor, status.st_uid, status.st_gid)


def _text_of(keys: Iterable[Key], secret: bytes) -> str:
    entries = [
        {
            "kid": key.kid,
            "alg": key.algorithm,
            "use_from": int(key.use_from),
            "key": _private_text(key),
        }
        for key in keys
    ]
    return json.dumps({"secret": secret.decode(), "keys": entries}, indent=2) + "\n"


def _private_text(key: Key) -> str:
    if key.algorithm == "HS256":
        return str(key.private)
    pem: bytes = key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()
