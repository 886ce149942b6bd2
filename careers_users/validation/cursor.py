"""Cursors: places in a list of edges, newest first, that stay put as the list changes.

A place is the number of an edge and a direction. Numbers only grow, so whoever walks
towards older edges meets each edge once, and each step is one look into an index.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any, Literal

from marshmallow import ValidationError
from marshmallow.validate import Length

from careers_users.validation.fields import Text
from careers_users.validation.limits import CURSOR_MAX, ID_MAX

_FORM = re.compile(r"(older|newer):(0|[1-9][0-9]{0,18})", re.ASCII)

Direction = Literal["older", "newer"]


@dataclass(frozen=True)
class Cursor:
    """The edges older, or newer, than the edge of number `edge_id`."""

    direction: Direction
    edge_id: int


def encode(cursor: Cursor) -> str:
    """Return the cursor as a word for a URL; clients need not understand it."""
    text = f"{cursor.direction}:{cursor.edge_id}"
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(word: str) -> Cursor | None:
    """Return the cursor that `encode` made this word of; None for any other word."""
    try:
        padded = word.encode("ascii") + b"=" * (-len(word) % 4)
        text = urlsafe_b64decode(padded).decode("ascii")
    except (Base64Error, UnicodeError):
        return None
    match = _FORM.fullmatch(text)
    if match is None or int(match[2]) > ID_MAX:
        return None
    cursor = Cursor("older" if match[1] == "older" else "newer", int(match[2]))
    # Base64 has several spellings of the same bytes; only ours is a cursor.
    return cursor if encode(cursor) == word else None


class CursorField(Text):
    """A place in a list, as `next` and `previous` carry it."""

    openapi = {
        "description": "A place in the list: the `cursor` in `next` or `previous` of "
        "an earlier reply.",
        "minLength": 1,
        "maxLength": CURSOR_MAX,
        "pattern": "^[A-Za-z0-9_-]+$",
        "examples": ["b2xkZXI6NDI"],
    }
    raw_max = CURSOR_MAX

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        result = super()._deserialize(value, attr, data, **kwargs)
        Length(1, CURSOR_MAX)(result)
        cursor = decode(result)
        if cursor is None:
            raise ValidationError("Not a cursor of this service.")
        return cursor
