"""Normal form, fold, the searched text and what is refused in it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from careers_users.validation import text
from careers_users.validation.text import SEPARATOR, fold, nfc

# The same examples each time: a run should not fail by chance.
repeatably = hypothesis_settings(
    max_examples=200, deadline=None, database=None, derandomize=True
)

# Marks that move about under normalisation, letters that fold to several or to parts of
# others, and all the rest of Unicode.
TRICKY = st.sampled_from(
    "aAäÄ\u0308\u0301\u0345\u0323ßẞSſsΣσςİIiı\u0307ﬃǅᾳᾼΐKÅ가\u1100"
)
STRINGS = st.text(TRICKY | st.characters())


@repeatably
@given(STRINGS)
def test_fold_is_idempotent(value: str) -> None:
    folded = fold(value)

    assert fold(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)


@repeatably
@given(STRINGS)
def test_fold_ignores_the_normal_form(value: str) -> None:
    assert fold(unicodedata.normalize("NFD", value)) == fold(nfc(value)) == fold(value)


# Without ı, the dotless i, which is written I in capitals and is no i all the same.
@repeatably
@given(STRINGS.map(lambda value: value.replace("ı", "")))
def test_fold_ignores_case(value: str) -> None:
    # Taken apart first: changing case in the middle of a letter makes another word.
    parts = unicodedata.normalize("NFD", value)

    for same in (parts.upper(), parts.lower(), parts.title(), parts.swapcase()):
        assert fold(same) == fold(value), same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(
            ("ALICE", "alice"),
            ("Straße", "STRASSE"),
            ("ẞ", "ss"),
            ("ÄRGER", "a\u0308rger"),
        ),
        *(("ΣΊΣΥΦΟΣ", "σίσυφος"), ("ς", "σ"), ("Жук", "жУК"), ("ﬁsh", "FISH")),
        *(("\u212a", "k"), ("\u212b", "a\u030a"), ("İ", "i\u0307"), ("ſ", "s")),
        *(("ᾼ", "αι"), ("\u03b1\u0345\u0301", "\u03ac\u0345"), ("Ǆ", "ǅ"), ("µ", "μ")),
    ],
)
def test_fold_makes_the_same_of_what_differs_in_case(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("a", "ä"), ("i", "ı"), ("i", "İ"), ("o", "ø"), ("a", "а"), ("l", "1")),
        *(
            ("ａ", "a"),
            ("²", "2"),
            ("ab", "a b"),
            ("a", "a\u200b"),
            ("ά", "α"),
            ("", " "),
        ),
    ],
)
def test_fold_tells_apart_what_differs_otherwise(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@repeatably
@given(st.tuples(STRINGS, STRINGS, STRINGS, STRINGS), STRINGS)
def test_a_term_is_in_the_searched_text_if_it_is_in_a_column(
    columns: tuple[str, str, str, str], term: str
) -> None:
    columns_folded = [fold(column).replace(SEPARATOR, "") for column in columns]
    username, first_name, last_name, bio = columns_folded
    searched = text.search_text(username, first_name, last_name, bio)

    # A term of any letters, and one that is there.
    for word in (fold(term).replace(SEPARATOR, ""), bio[1:4], f"{username}{bio}"):
        is_there = any(word in column for column in columns_folded)
        assert (word in searched) == is_there
    assert searched.count(SEPARATOR) == 3


@repeatably
@given(st.text(st.sampled_from("a\u0301\u0323\u0345\u0f73\u0344\u3099ｶé\u1100\u1161")))
def test_long_runs_of_marks_are_normalised_as_short_ones(value: str) -> None:
    for long in (value, value * 40, value + "\u0300" * 40 + value):
        assert nfc(long) == unicodedata.normalize("NFC", long)
