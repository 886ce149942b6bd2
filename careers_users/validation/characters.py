"""Which characters names and bios may have, by Unicode's properties.

The properties are those of the package `regex`, whose releases follow Unicode's. The
standard library knows fewer of them, and only those of the Unicode version that each
version of Python was built with.
"""

import unicodedata
from functools import partial

import regex

# UAX 15, section 13 (Stream-Safe Text Format): more in a row occur in no language, and
# take time that grows with the square of their number to normalise.
MARKS_MAX = 30
# No character decomposes into more marks than this, so shorter runs need no count.
_MARKS_PER_CHARACTER = 3

# Lone surrogates and NUL, which not every database can hold.
_UNSTORABLE = regex.compile(r"[\x00\p{Surrogate}]")
# Unicode's White_Space, which is all below U+3001 (and Unicode promises that it stays).
_WHITE_SPACE = "".join(
    regex.findall(r"\p{White_Space}", "".join(map(chr, range(0x3001))))
)
# Whatever may hold a mark, written apart or together with its letter.
_MAYBE_MARKS = regex.compile(
    rf"[\p{{Mark}}\p{{NFKD_Quick_Check=No}}]{{{MARKS_MAX // _MARKS_PER_CHARACTER},}}"
)
_MARKS = regex.compile(rf"\p{{Mark}}{{{MARKS_MAX + 1}}}")

# Code points that stand for no character, and those that end a line.
_CONTROL = r"\p{Control}\p{Surrogate}\p{Noncharacter_Code_Point}\p{Zl}\p{Zp}"
# Characters that show nothing by themselves. The blank of Braille and the annotation
# characters have no property that says so.
_INVISIBLE = r"\p{Default_Ignorable_Code_Point}\u2800\uFFF9-\uFFFB"
_REFUSED_IN_LINE = regex.compile(rf"[{_CONTROL}{_INVISIBLE}]")
_REFUSED_IN_TEXT = regex.compile(rf"(?![\n\t])[{_CONTROL}{_INVISIBLE}]")
# Spaces and formats aside, these are assigned to be blank, and no property says so: the
# null notehead, the filler of Khitan, the blanks of Egyptian, the object replacement.
_VISIBLE = regex.compile(
    r"(?![\U0001D159\U00016FE4\U00013441\U00013442\uFFFC])"
    r"[^\p{White_Space}\p{Format}\p{Default_Ignorable_Code_Point}]"
    # Formats that are drawn around the digits that follow them.
    r"|\p{Prepended_Concatenation_Mark}"
)

# Invisible characters that shape what stands beside them. Whether what is beside them
# is as it should be is looked at; so they can hide no message and make no second name.
_SHAPING = regex.compile(
    r"""
    # Variation selectors: emoji or text (UTS 51); ideographs (UTS 37, and the
    # standardised variants of compatibility ideographs); Mongolian letters.
      (?<= [\p{Emoji}\p{Extended_Pictographic}] ) [\uFE0E\uFE0F]
    | (?<= \p{Unified_Ideograph} ) [\uFE00-\uFE02\U000E0100-\U000E01EF]
    | (?<= [\p{Mongolian}&&\p{Letter}] ) [\u180B-\u180D\u180F]
    # Tags: the flag of a part of a country (UTS 51, ED-14a): a black flag, the code of
    # the country and of the part, and the end.
    | (?<= \U0001F3F4 )
      (?: [\U000E0061-\U000E007A]{2} | [\U000E0030-\U000E0039]{3} )
      [\U000E0030-\U000E0039\U000E0061-\U000E007A]{1,4} \U000E007F
    # ZWJ between emoji (UTS 51, ED-16).
    | (?<= \p{Extended_Pictographic} [\p{Emoji_Modifier}\uFE0F]? ) \u200D
      (?= \p{Extended_Pictographic} )
    # Joiners behind a virama (UAX 31, A2 and B): ZWNJ before another letter, ZWJ also
    # at the end of a word.
    | (?<= \p{Letter} \p{Mark}* \p{Canonical_Combining_Class=Virama}
           [\p{Mn}--\p{Canonical_Combining_Class=Not_Reordered}]* )
      (?: \u200C (?= [\p{Mn}--\p{Canonical_Combining_Class=Not_Reordered}]* \p{Letter} )
        | \u200D (?! \p{Indic_Syllabic_Category=Vowel_Dependent} ) )
    # ZWNJ between letters that would join (UAX 31, A1).
    | (?<= [\p{Joining_Type=Dual_Joining}\p{Joining_Type=Left_Joining}]
           [\p{Joining_Type=Transparent}--\u200C]* ) \u200C
      (?= [\p{Joining_Type=Transparent}--\u200C]*
          [\p{Joining_Type=Dual_Joining}\p{Joining_Type=Right_Joining}] )
    """,
    regex.VERBOSE | regex.VERSION1,
)


def is_storable(value: str) -> bool:
    """Return whether both databases can hold `value`: no NUL, no lone surrogate."""
    return _UNSTORABLE.search(value) is None


def has_too_many_marks(value: str) -> bool:
    """Return whether more than MARKS_MAX combining marks follow each other in `value`.

    Counted as NFKD writes them, without letting it sort them: that is what takes time.
    """
    for run in _MAYBE_MARKS.finditer(value):
        apart = [unicodedata.normalize("NFKD", each) for each in run[0]]
        if _MARKS.search("".join(apart)):
            return True
    return False


def trimmed(value: str) -> str:
    """Return `value` without Unicode's White_Space at its ends.

    By itself `str.strip` takes the control characters U+001C to U+001F as well.
    """
    return value.strip(_WHITE_SPACE)


def _is_clean(refused: "regex.Pattern[str]", value: str) -> bool:
    # Nearly all text has none of them; then what they shape need not be looked at.
    if refused.search(value) is None:
        return True
    return refused.search(_SHAPING.sub("", value)) is None


# Return whether a value is one line without control and invisible characters; or a text
# without them, in which newlines and tabs are allowed.
is_clean_line = partial(_is_clean, _REFUSED_IN_LINE)
is_clean_text = partial(_is_clean, _REFUSED_IN_TEXT)


def is_visible(value: str) -> bool:
    """Return whether something in `value` can be seen."""
    return _VISIBLE.search(value) is not None
