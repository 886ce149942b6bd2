"""What happens to text before it is stored or compared: normal form, fold, refusals.

Uniqueness and search compare *folded* text, computed here once when a row is saved and
once for each question, because neither database folds case beyond ASCII the way the
other does.
"""

import re
import unicodedata
from operator import add

# Stands between the columns joined in `search_text`. A control character, so no stored
# text contains it and no search term can match across two columns.
SEPARATOR = "\x1f"
# The longest text of which is counted how many users have it; longer ones are found by
# their trigrams.
GRAM_MAX = 2

# Invisible characters with which two names can look the same, or a line can be turned
# around (Unicode TR36 and TR39): bidi controls, zero-width characters, line separators.
_DECEPTIVE = (
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
)
_REFUSED_IN_LINE = re.compile(rf"[\x00-\x1f\x7f-\x9f{_DECEPTIVE}\ud800-\udfff]")
_REFUSED_IN_TEXT = re.compile(
    rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_DECEPTIVE}\ud800-\udfff]"
)
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def nfc(value: str) -> str:
    """Return `value` in Unicode normal form C, in which we store all text."""
    return unicodedata.normalize("NFC", value)


def fold(value: str) -> str:
    """Return `value` as it is compared: case folded, canonically normalised.

    This is the caseless match of the Unicode Standard (section 3.13, D145), composed
    again at the end so that a plain letter does not match inside an accented one.
    """
    return nfc(unicodedata.normalize("NFD", value).casefold())


def search_text(username: str, first_name: str, last_name: str, bio: str) -> str:
    """Return the folded text in which `search` looks for its term."""
    return SEPARATOR.join(fold(part) for part in (username, first_name, last_name, bio))


def grams(searched: str) -> set[str]:
    """Return the letters and pairs of letters of a `search_text`, column by column.

    And the separator with the first two, which are the beginning of the username.
    """
    found = {SEPARATOR + searched[:GRAM_MAX]}
    for part in searched.split(SEPARATOR):
        found.update(part)
        found.update(map(add, part, part[1:]))
    return found


def is_storable(value: str) -> bool:
    """Tell whether both databases can take `value`: no NUL and no lone surrogate."""
    return _UNSTORABLE.search(value) is None


def is_clean_line(value: str) -> bool:
    """Tell whether `value` is one line without control or deceptive characters."""
    return _REFUSED_IN_LINE.search(value) is None


def is_clean_text(value: str) -> bool:
    """Like `is_clean_line`, with newlines and tabs allowed."""
    return _REFUSED_IN_TEXT.search(value) is None
