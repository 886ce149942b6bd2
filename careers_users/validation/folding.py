"""Text as it is compared: two foldings, never used for each other.

`identity` decides whether two usernames or addresses are the same; `search` decides
what a search finds and how names sort. Both are computed here, once when a row is saved
and once for each question, because the two databases fold case differently.
"""

import re
import unicodedata

from careers_users.validation.limits import BIO_MAX

# The longest stored text. Normalising takes quadratic time in a run of combining marks:
# 2 ms for 1,000 of them, a second for 20,000.
FOLDED_MAX = BIO_MAX

_DROPPED = re.compile(
    "["
    "\u0300-\u036f"  # combining diacritical marks
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew points
    "\u064b-\u065f\u0670"  # Arabic vowel marks
    "\u200c\u200d"  # joiners
    "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # variation selectors
    "]+"
)
# Letters with a stroke and the like, which Unicode does not take apart.
_REPLACED = str.maketrans(
    {
        "ł": "l",
        "đ": "d",
        "ø": "o",
        "ı": "i",
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ð": "d",
    }
)


def identity(value: str) -> str | None:
    """Return the key of a username or address; None if no user can have it.

    No user has a name with a character beyond ASCII, so letters that only look alike
    (accents, the Kelvin sign, full width) never lead to a user.
    """
    return value.lower() if value.isascii() else None


def search(value: str) -> str:
    """Return `value` as searches and the order of names compare it: without accents.

    Raises ValueError if it is longer than any text that is stored.
    """
    if len(value) > FOLDED_MAX:
        raise ValueError(f"More than {FOLDED_MAX} characters are not folded.")
    if value.isascii():
        return value.lower()
    folded = unicodedata.normalize("NFKD", value).casefold()
    folded = _DROPPED.sub("", unicodedata.normalize("NFKD", folded))
    return unicodedata.normalize("NFKC", folded.translate(_REPLACED))
