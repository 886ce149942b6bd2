"""The kinds of value in queries about users: words to search, parts of names, numbers.

As in `fields`, `openapi` says in the words of JSON Schema what a class refuses.
"""

import re
from typing import Any, ClassVar

from marshmallow import ValidationError

from careers_users.validation import words
from careers_users.validation.fields import SearchTerm, Text
from careers_users.validation.limits import (
    ID_MAX,
    IDS_MAX,
)

_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class SearchWords(SearchTerm):
    """Words, all of which must match; empty means any user."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        return words.needles(super()._deserialize(value, attr, data, **kwargs))


class NamePart(SearchTerm):
    """A part of a name, whatever its case and accents; empty means any name."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        return words.part_of_name(super()._deserialize(value, attr, data, **kwargs))


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

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        numbers = super()._deserialize(value, attr, data, **kwargs).split(",")
        if numbers == [""]:
            return []
        if not all(_NUMBER.fullmatch(n) and int(n) <= ID_MAX for n in numbers):
            raise ValidationError("Not numbers of users, separated by commas.")
        ids = list(dict.fromkeys(map(int, numbers)))
        if len(ids) > IDS_MAX:
            raise ValidationError(f"More than {IDS_MAX} users.")
        return ids
