"""Normal form C, in which all text is stored."""

import unicodedata

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from careers_users.validation.text import nfc

# Equal examples each time: a run should not fail by chance.
repeatably = hypothesis_settings(
    max_examples=200, deadline=None, database=None, derandomize=True
)


@repeatably
@given(st.text(st.sampled_from("a\u0301\u0323\u0345\u0f73\u0344\u3099ｶé\u1100\u1161")))
def test_long_runs_of_marks_are_normalised_as_short_ones(value: str) -> None:
    for long in (value, value * 40, value + "\u0300" * 40 + value):
        assert nfc(long) == unicodedata.normalize("NFC", long)
