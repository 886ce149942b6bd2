"""The signing key of an installation that was given none: made once, kept private."""

import os
import secrets
import stat
import time
from pathlib import Path

KEY_BYTES = 48
# As many characters as KEY_BYTES make in URL-safe base64.
KEY_LENGTH = 64
# How long to wait for the process that creates the file to have written it.
PATIENCE_SECONDS = 2.0


class SecretFileError(Exception):
    """The key file can't be made, can't be read or is not private."""


def read_or_create(path: Path) -> str:
    """Return the key in the file at `path`, creating it if there is none.

    Processes that start together agree: exactly one creates the file (O_EXCL), the
    others wait until it is written. Raises SecretFileError with what to do about it.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path)
        return _read(path)
    except OSError as error:
        raise SecretFileError(
            f"The signing key {path} can't be used: {error.strerror or error}. Set "
            "CAREERS_USERS_DATA_DIR to a directory this user may write to."
        ) from error


def _create(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(key := path.read_text("ascii", errors="replace").strip()) < KEY_LENGTH:
        if time.monotonic() > deadline:
            raise SecretFileError(
                f"The signing key {path} is too short. Delete the file to have a new "
                "one made; everybody will have to sign in again."
            )
        time.sleep(0.01)
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SecretFileError(
            f"The signing key {path} can be read by others: chmod 600 it, and delete "
            "it instead if somebody may have seen it."
        )
    return key
