"""The kinds of value in queries about users: words to search, parts of names, numbers.

`openapi` says in the words of JSON Schema what a class refuses, as it does in `fields`.
"""

import re
from typing import Any, ClassVar

from marshmallow import ValidationError, fields

from careers_users.validation import words
from careers_users.validation.fields import Text, check_marks
from careers_users.validation.limits import (
    BATCH_SIZE_MAX,
    ID_MAX,
    IDS_MAX,
    QUERY_DIGITS_MAX,
    SEARCH_TERM_MAX,
)

# The description of `batch_number` for clients.
BATCH_NUMBER = "Which batch of the list, from 0. One past the end is empty."


_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class QueryNumber(fields.Field[int]):
    """A number in a query string: a few ASCII digits and nothing else."""

    openapi: ClassVar[dict[str, Any]] = {
        "type": "integer",
        "minimum": 0,
        "maximum": 10**QUERY_DIGITS_MAX - 1,
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= QUERY_DIGITS_MAX):
            raise ValidationError(
                f"Not a whole number of at most {QUERY_DIGITS_MAX} digits."
            )
        return int(value)


class BatchSize(QueryNumber):
    """How many rows a batch has; a client that asks for too many gets the most."""

    openapi = {
        "minimum": 1,
        "description": f"How many rows; more than {BATCH_SIZE_MAX} are taken as "
        f"{BATCH_SIZE_MAX}.",
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        result = super()._deserialize(value, attr, data, **kwargs)
        if result < 1:
            raise ValidationError("Must be at least 1.")
        return min(result, BATCH_SIZE_MAX)


class SearchTerm(Text):
    """A piece of text to be contained, taken literally; empty means any."""

    openapi = {
        "description": "Limits the list to users in whose text this is contained, "
        "whatever its case. Empty limits nothing.",
        "maxLength": SEARCH_TERM_MAX,
    }
    raw_max = SEARCH_TERM_MAX

    def checked(self, value: str) -> Any:
        check_marks(value)
        return value


class SearchWords(SearchTerm):
    """Words, all of which must match; empty means any user."""

    def checked(self, value: str) -> Any:
        return words.needles(super().checked(value))


class NamePart(SearchTerm):
    """A part of a name, whatever its case and accents; empty means any name."""

    def checked(self, value: str) -> str:
        return words.part_of_name(super().checked(value))


class UserIds(Text):
    """Numbers of users, separated by commas; each counts once."""

    openapi: ClassVar[dict[str, Any]] = {
        "description": f"The `id` of each user, at most {IDS_MAX}, separated "
        "by commas. Unknown ones are left out, and each counts once.",
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": ID_MAX},
        "example": [2, 3],
    }
    # Some may be named twice; a request's line has no room for more.
    raw_max = 16 * 1024

    def checked(self, value: str) -> list[int]:
        if not value:
            return []
        numbers = value.split(",")
        if not all(_NUMBER.fullmatch(n) and int(n) <= ID_MAX for n in numbers):
            raise ValidationError("Not numbers of users, separated by commas.")
        ids = list(dict.fromkeys(map(int, numbers)))
        if len(ids) > IDS_MAX:
            raise ValidationError(f"More than {IDS_MAX} users.")
        return ids
