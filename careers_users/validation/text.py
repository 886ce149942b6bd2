"""What happens to text before it is stored or compared: normal form and fold.

Uniqueness and search compare *folded* text, computed here once when a row is saved and
once for each question, because neither database folds case beyond ASCII the way the
other does.
"""

import unicodedata
from itertools import groupby
from operator import add

import regex

# Stands between the columns joined in `search_text`. A control character, so no stored
# text contains it and no search term can match across two columns.
SEPARATOR = "\x1f"
# The longest text of which is counted how many users have it; longer ones are found by
# their trigrams.
GRAM_MAX = 2

# More combining marks in a row than this are sorted before CPython normalises them.
_LONG_RUN = regex.compile(r"[\p{Mark}\p{NFD_Quick_Check=No}]{31,}")


def nfc(value: str) -> str:
    """Return `value` in Unicode normal form C, in which we store all text.

    CPython sorts combining marks by insertion: 31,500 in a row take it seconds.
    Passwords may have them; sorted beforehand they take the time of any other text.
    """
    return unicodedata.normalize("NFC", _LONG_RUN.sub(_in_canonical_order, value))


def _in_canonical_order(run: "regex.Match[str]") -> str:
    """Return a run of combining marks in the order of Unicode's section 3.11, D108."""
    apart = "".join(unicodedata.normalize("NFD", each) for each in run[0])
    ordered: list[str] = []
    for _, marks in groupby(apart, lambda each: unicodedata.combining(each) > 0):
        ordered += sorted(marks, key=unicodedata.combining)
    return "".join(ordered)


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
