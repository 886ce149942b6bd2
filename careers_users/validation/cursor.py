"""Cursors: places in a list, newest row first, that stay put as the list changes.

A place is the number of a row and a direction. Numbers only grow, so a walk towards
older rows meets each row once, and each step is one look into an index. Cursors of a
list that its owner alone may read also name the list and the owner.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from flask_marshmallow.schema import Schema
from marshmallow import ValidationError, fields
from marshmallow.validate import Length

from careers_users.validation.fields import Text
from careers_users.validation.limits import CURSOR_MAX, ID_MAX

_FORM = re.compile(
    r"(?:([a-z][0-9]{1,19}):)?(older|newer):(0|[1-9][0-9]{0,18})", re.ASCII
)
NOT_A_CURSOR = "Not a cursor of this service."

Direction = Literal["older", "newer"]
# The two lists of a user.
Side = Literal["followers", "following"]


@dataclass(frozen=True)
class Cursor:
    """The rows older, or newer, than the row of number `row_id`.

    `of` is the list: a letter, and the number of its owner. Empty for most lists.
    """

    direction: Direction
    row_id: int
    of: str = ""


@dataclass(frozen=True)
class Page:
    """A batch of a list, newest row first, and the places before and after it."""

    rows: list[dict[str, Any]]
    newer: Cursor | None
    older: Cursor | None

    def reply(self, path: str, batch_size: int, more: str = "") -> dict[str, Any]:
        """Return what BatchSchema describes; `path` is the path of the list.

        `more` are further parameters of the list, with a `&` in front.
        Addresses are relative to the host (RFC 3986, section 4.2): behind a proxy its
        name may be wrong here, or chosen by the client.
        """

        def link(cursor: Cursor | None) -> str | None:
            # A number, and a word of letters, digits, - and _: nothing to encode.
            if cursor is None:
                return None
            return f"{path}?batch_size={batch_size}&cursor={encode(cursor)}{more}"

        links = {"next": link(self.older), "previous": link(self.newer)}
        return links | {"results": self.rows}


def page(
    found: Sequence[dict[str, Any]],
    size: int,
    cursor: Cursor | None,
    *,
    is_first: bool = False,
    key: str = "id",
    of: str = "",
) -> Page:
    """Return a batch of `size` rows out of what was found from a cursor on.

    One row more than that shows that there is a batch after it. `key` names the
    number of a row; `is_first` says that without a cursor nothing is newer; `of` is
    the list in the cursors.
    """
    rows, has_more = list(found[:size]), len(found) > size
    newer, older = cursor is not None or not is_first, has_more
    if cursor is not None and cursor.direction == "newer":
        rows.reverse()
        newer, older = has_more, True
    if rows:
        first, last = rows[0][key], rows[-1][key]
    else:  # The gap in which the batch lies: a turn there meets the cursor's row again.
        row_id = 0 if cursor is None else cursor.row_id
        first, last = max(row_id - 1, 0), min(row_id + 1, ID_MAX)
    return Page(
        rows,
        Cursor("newer", first, of) if newer else None,
        Cursor("older", last, of) if older else None,
    )


def encode(cursor: Cursor) -> str:
    """Return the cursor as a word for a URL; clients need not understand it."""
    text = f"{cursor.direction}:{cursor.row_id}"
    if cursor.of:
        text = f"{cursor.of}:{text}"
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(word: str) -> Cursor | None:
    """Return the cursor that `encode` made this word of; None for any other word."""
    try:
        padded = word.encode("ascii") + b"=" * (-len(word) % 4)
        text = urlsafe_b64decode(padded).decode("ascii")
    except (Base64Error, UnicodeError):
        return None
    match = _FORM.fullmatch(text)
    if match is None or int(match[3]) > ID_MAX:
        return None
    direction: Direction = "older" if match[2] == "older" else "newer"
    cursor = Cursor(direction, int(match[3]), match[1] or "")
    # Base64 has several spellings of the same bytes; only ours is a cursor.
    return cursor if encode(cursor) == word else None


class BatchSchema(Schema):
    """A batch of a list, and the addresses of the batches after and before it."""

    example: ClassVar[dict[str, Any]] = {"next": None, "previous": None}

    next = fields.String(allow_none=True)
    previous = fields.String(allow_none=True)


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

    def __init__(self, *, letter: str = "", **kwargs: Any) -> None:
        """Take only cursors of lists with this letter, or of those without one."""
        super().__init__(**kwargs)
        self._letter = letter

    def checked(self, value: str) -> Cursor:
        Length(1, CURSOR_MAX)(value)
        cursor = decode(value)
        if cursor is None or cursor.of[:1] != self._letter:
            raise ValidationError(NOT_A_CURSOR)
        return cursor
