"""The words of a search, and the text that contains what they are looked up by."""

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from careers_users.validation.words import (
    UNMATCHABLE,
    needles,
    part_of_name,
    search_text,
)
from tests.profile import plain_search

repeatably = hypothesis_settings(
    max_examples=400, deadline=None, database=None, derandomize=True
)
LETTERS = st.sampled_from("aAbäßİc1²+#'-_.,QqΩé張偉ไทかが\u0301\u200d\t\xa0 \u3000😀")
LINES = st.text(LETTERS, max_size=8)


def test_the_searched_text_has_the_fields_and_behind_them_beginnings() -> None:
    text = search_text("jean.luc", "Jean-Luc", "O'Neil", "UX nurse in Gdańsk. C#, 張偉")

    assert text.split("\x1f") == [
        *("jean.luc", "jean-luc", "o'neil", "ux nurse in gdansk. c#, 張偉"),
        *("QQj", "QQje", "QQl", "QQlu", "QQo", "QQo'", "QQn", "QQne"),
        *("QQux", "QQin", "QQc#", "QQ張偉", "QQ張", "QQ偉", ""),
    ]


def test_words_are_cut_at_white_space_and_commas_after_folding() -> None:
    for value, expected in (
        ("Emma Lindberg", ("emma", "lindberg")),
        ("  emma,lindberg\t", ("emma", "lindberg")),
        ("ａｂｃ，ｄｅｆ", ("abc", "def")),
        ("Jo é", ("QQjo", "QQe\x1f")),
        ("a\x1cbc", ("a\x1cbc",)),  # White space to Python alone.
        ("", ()),
        (" , \u2003", ()),
        ("\u0301", (UNMATCHABLE,)),
        ("\u200d abc", ("abc",)),
        ("a\x1fbc", (UNMATCHABLE,)),
    ):
        assert needles(value) == expected, ascii(value)


def test_parts_of_names_are_trimmed_and_folded() -> None:
    for value, expected in (
        (" Van  Bergé\u3000", "van  berge"),
        ("", ""),
        ("\u3000 ", ""),
        (",", ","),
        ("\u0301", UNMATCHABLE),
    ):
        assert part_of_name(value) == expected, ascii(value)


@repeatably
@given(st.tuples(LINES, LINES, LINES, LINES), LINES)
def test_needles_are_in_the_text_of_whom_the_contract_says(
    columns: tuple[str, str, str, str], query: str
) -> None:
    names = ("username", "first_name", "last_name", "bio")
    user = dict(zip(names, columns, strict=True))
    text = search_text(**user)

    asked = [query, columns[1][:2], columns[2][:1], columns[3][1:3], columns[3][:4]]
    for value in asked:
        is_found = all(needle in text for needle in needles(value))
        assert is_found == plain_search.passes(user, {"search": value}), value
