"""Files with secrets: who may read them, and the signing key that is made here.

One rule holds for all of them (signing key, key ring, `NAME_FILE` of a secret setting):
other users may not read or write the file; its group may, since container engines and
systemd give secrets to a service by its group.
"""

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
    """The file can't be made, can't be read or is not private."""


def refuse_public(mode: int) -> None:
    """Refuse the mode of a file that other users may read or write.

    Raises SecretFileError with what to do about it, as the end of a sentence.
    """
    # On Windows no mode says who may read a file.
    if os.name == "posix" and mode & stat.S_IRWXO:
        raise SecretFileError(
            "can be read by others: chmod o= it (its group may read it), and replace "
            "the secret if others may have seen it."
        )


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
    try:
        refuse_public(path.stat().st_mode)
    except SecretFileError as error:
        raise SecretFileError(f"The signing key {path} {error}") from None
    return key
