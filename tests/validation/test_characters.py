"""Characters of names and bios: invisible ones, joiners, marks, the rest."""

import unicodedata

import emoji
import pytest
import regex
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from careers_users.validation import characters
from careers_users.validation.characters import (
    has_too_many_marks,
    is_clean_line,
    is_clean_text,
    is_storable,
    is_visible,
    trimmed,
)
from careers_users.validation.folding import search as fold
from careers_users.validation.text import nfc

ALL = [chr(code) for code in range(0x110000)]
# As Unicode lists them: what the contract adds to the property, and what it names.
IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u200b"
    "\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2064\u2065\u2066"
    "\u206f\u3164\ufe00\ufe0f\ufeff\uffa0\ufff0\ufff8\U0001bca0\U0001d173\U000e0001"
    "\U000e0020\U000e0041\U000e007f\U000e0100\U000e01ef\U000e0fff"
)
BLANK = "\u2800\ufff9\ufffa\ufffb"
repeatably = hypothesis_settings(
    max_examples=300, deadline=None, database=None, derandomize=True
)
ANYTHING = st.text(
    st.characters(codec=None)
    | st.sampled_from(IGNORABLE + BLANK + "\0\n\t\x1f\u2028\ud800\uffff")
)

JOINED = {
    "emoji sequences": ("👩‍💻", "🏳️‍⚧️", "👨‍👩‍👧", "👩🏽‍❤️‍💋‍👨🏻", "❤\ufe0f‍🔥", "⛓️‍💥"),
    "text and emoji style": ("☺\ufe0e", "☺\ufe0f", "1\ufe0f\u20e3", "©\ufe0f"),
    "flags": (
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "🇩🇪",
    ),
    "ideographic variants": ("葛\U000e0100城", "辻\U000e0101", "㐂\ufe00"),
    "Mongolian variants": ("\u182d\u180b", "\u1828\u180d\u1820"),
    "ZWJ behind a virama": (
        "कृष्\u200dण",
        "ශ්\u200dරී",
        "ക്ഷ്\u200d",
        "ন\u09bc\u09cd\u200dয",
    ),
    "ZWNJ behind a virama": ("न्\u200cन", "ಕ್\u200cಷ"),
    "ZWNJ between letters that join": ("علی\u200cرضا", "می\u200cخواهم", "مُ\u200cحَ"),
}
SEPARATE = {
    "Latin letters": ("a\u200db", "a\u200cb", "a\ufe0f", "e\ufe00", "a\U000e0100"),
    "nothing beside it": (
        "\u200d👩",
        "👩\u200d",
        "\ufe0f",
        "م\u200c",
        "\u200cم",
        "न\u200dन",
    ),
    "a selector for another base": (
        "葛\ufe0f",
        "😀\U000e0100",
        "\u182d\ufe00",
        "a\u180b",
    ),
    "two of them": (
        "☺\ufe0f\ufe0f",
        "葛\U000e0100\U000e0101",
        "क्\u200d\u200dष",
        "👩‍\u200d💻",
    ),
    "letters that do not join": ("ا\u200cب", "د\u200cر", "م\u200ca"),
    "before a vowel's sign": ("न्\u200dा",),
    "the end of a word": ("न्\u200c", "न्\u200c न"),
    "tags that make no flag": (
        *("🏴\U000e0067\U000e0062", "👍\U000e0067\U000e0062\U000e0065\U000e007f"),
        "🏴" + "".join(chr(0xE0000 + ord(c)) for c in "hiddenmessage") + "\U000e007f",
        "🏴\U000e0041\U000e0042\U000e0043\U000e007f",
    ),
}


@pytest.mark.parametrize("text", [each for group in JOINED.values() for each in group])
def test_characters_that_shape_visible_text_are_taken(text: str) -> None:
    for whole in (text, f"I am {text}.", f"{text} {text}", nfc(text)):
        assert is_clean_line(whole), ascii(whole)
        assert is_clean_text(f"{whole}\n\t"), ascii(whole)
    assert is_visible(text)


@pytest.mark.parametrize(
    "text", [each for group in SEPARATE.values() for each in group]
)
def test_characters_that_shape_nothing_are_refused(text: str) -> None:
    for whole in (text, f"I am {text}.", f"{text} {text}"):
        assert not is_clean_line(whole), ascii(whole)
        assert not is_clean_text(whole), ascii(whole)


def test_every_emoji_is_taken() -> None:
    assert len(emoji.EMOJI_DATA) > 5000
    refused = [each for each in emoji.EMOJI_DATA if not is_clean_text(f"a {each} b")]
    assert refused == []
    assert all(map(is_visible, emoji.EMOJI_DATA))
    assert is_clean_line("".join(emoji.EMOJI_DATA))


def test_every_invisible_character_is_refused_by_itself() -> None:
    ignorable = regex.compile(r"\p{Default_Ignorable_Code_Point}")
    found = [each for each in ALL if ignorable.match(each)]
    assert len(found) >= 4174
    assert set(IGNORABLE) <= set(found)
    for each in (*found, *BLANK):
        for text in (each, f"a{each}", f"a{each}b", f"a {each} b"):
            assert not is_clean_line(text), ascii(text)


def test_controls_and_noncharacters_are_refused_and_line_ends_where_they_do_harm() -> (
    None
):
    for code, each in enumerate(ALL):
        is_noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
        is_control = unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")
        if is_noncharacter or is_control:
            assert not is_clean_line(each), ascii(each)
            assert is_clean_text(each) == (each in "\n\t"), ascii(each)


def test_all_other_characters_are_taken() -> None:
    refused = regex.compile(
        r"[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{NChar}\p{DI}\u2800\ufff9-\ufffb]"
    )
    others = "".join(each for each in ALL if not refused.match(each))
    assert len(others) > 1_100_000
    assert is_clean_line(others)


def test_text_that_shows_nothing_is_not_visible() -> None:
    blanks = "\U0001d159\U00016fe4\U00013441\U00013442\ufffc\u00a0\u3000\u2003 "
    for each in (*blanks, blanks, *IGNORABLE, "\U00013430"):
        assert not is_visible(each), ascii(each)
        assert is_visible(f"{each}x"), ascii(each)
    for each in ("x", "\u0301", "\u0600", "!", "\ue000", "😀", "ـ"):
        assert is_visible(each), ascii(each)


def test_trimmed_is_what_unicode_calls_white_space() -> None:
    spaces = regex.findall(r"\p{White_Space}", "".join(ALL))
    assert trimmed("".join(spaces) + "a b" + "".join(spaces)) == "a b"
    assert trimmed("\x1fa\x1c") == "\x1fa\x1c"
    assert trimmed("".join(spaces)) == ""


@pytest.mark.parametrize(
    ("mark", "most"),
    [
        *(("\u0301", 30), ("\u0323", 30), ("\u20dd", 30), ("\u093e", 30)),
        # Each of them is two marks in NFKD; the last is no mark by itself.
        *(("\u0344", 15), ("\u0f73", 15), ("\uff9e", 30)),
    ],
)
def test_more_marks_in_a_row_than_stream_safe_text_has(mark: str, most: int) -> None:
    assert not has_too_many_marks(f"x{mark * most}x{mark * most}")
    assert has_too_many_marks(f"x{mark * (most + 1)}")
    assert has_too_many_marks(f"é{mark * most}")
    assert not has_too_many_marks("é" * 500 + "각" * 500)


def test_no_character_has_more_marks_than_are_reckoned_with() -> None:
    marks = regex.compile(r"\p{Mark}")
    for each in ALL:
        apart = unicodedata.normalize("NFKD", each)
        assert len(marks.findall(apart)) <= characters._MARKS_PER_CHARACTER


@repeatably
@given(ANYTHING)
def test_clean_text_can_be_stored_and_stays_clean(value: str) -> None:
    assert is_storable(value) == (not regex.search("[\0\ud800-\udfff]", value))
    if is_clean_line(value):
        assert is_clean_text(value)
        assert is_clean_line(nfc(value))
        assert is_storable(fold(value))
    if is_clean_text(value):
        assert is_storable(value)
        assert nfc(value).encode().decode() == nfc(value)
