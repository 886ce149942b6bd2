"""Cursors as text: they come back as they were, in one spelling."""

from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from careers_users.validation.cursor import Cursor, decode, encode
from careers_users.validation.limits import CURSOR_MAX, ID_MAX

CURSORS = st.builds(Cursor, st.sampled_from(["older", "newer"]), st.integers(0, ID_MAX))


@settings(database=None)
@given(CURSORS)
def test_a_cursor_comes_back_as_it_was(cursor: Cursor) -> None:
    word = encode(cursor)
    assert decode(word) == cursor
    assert len(word) <= CURSOR_MAX
    assert quote(word, safe="") == word


@settings(database=None)
@given(CURSORS, st.integers(0, 30), st.sampled_from("AZaz09-_+/=~"))
def test_a_cursor_has_one_spelling(cursor: Cursor, at: int, character: str) -> None:
    word = encode(cursor)
    other = word[:at] + character + word[at + 1 :]
    assert other == word or decode(other) != cursor
