"""Text before it is stored: its normal form."""

import unicodedata
from itertools import groupby

import regex

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
