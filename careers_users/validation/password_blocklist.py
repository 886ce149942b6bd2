"""Passwords that are refused, because attackers try them first."""

import gzip
from pathlib import Path

from flask import Flask

from careers_users.extensions import Slot

OFF, COMMON = "off", "common"
FILE_MAX = 64 * 1024 * 1024
_COMMON = Path(__file__).with_name("common_passwords.txt.gz")
_SLOT = Slot[frozenset[str]]("blocklist")


def load(choice: str) -> frozenset[str]:
    """Return the passwords refused: none for `off`, some ten thousand for `common`.

    Anything else names a file of more of them, one a line, in UTF-8. Case does not
    matter. Raises ValueError with a sentence if the file can't be read.
    """
    if choice == OFF:
        return frozenset()
    words = gzip.decompress(_COMMON.read_bytes()).decode().splitlines()
    if choice != COMMON:
        words += _lines(Path(choice))
    return frozenset(word.casefold() for word in words if word)


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_MAX + 1)
        if len(raw) > FILE_MAX:
            raise ValueError(f"{path} has more than {FILE_MAX} bytes.")
        return [line.strip("\r\n") for line in raw.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text.") from None
    except OSError as error:
        raise ValueError(
            f"Neither off nor common, nor a file that can be read: {error.strerror}."
        ) from None


def init_app(app: Flask, choice: str) -> None:
    """Load the list of this application."""
    _SLOT.set(app, load(choice))


def has(password: str) -> bool:
    """Return whether the current application refuses a password."""
    return password.casefold() in _SLOT.get()
