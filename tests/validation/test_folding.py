"""The two foldings: what is one name, and what a search takes for the same."""

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from careers_users.validation.folding import FOLDED_MAX, identity, search

# Equal examples each time: a run should not fail by chance.
repeatably = hypothesis_settings(
    max_examples=300, deadline=None, database=None, derandomize=True
)

# Marks that move about under normalisation, letters that fold to several or to parts of
# others, and all the rest of Unicode.
TRICKY = st.sampled_from(
    "aAäÄ\u0308\u0301\u0345\u0323ßẞSſsΣσςİIiı\u0307ﬃǅᾳᾼΐKÅ가\u1100\u3099か\u200dłØ\ufe0f"
)
STRINGS = st.text(TRICKY | st.characters(), max_size=50)
EVERY_CHARACTER = [
    chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF
]

LOOK_ALIKES = ["Ａlice", "álice", "alıce", "İlse", "\u212aate", "ſam", "аlice", "a\xa0"]


def test_identity_is_ascii_in_lower_case_and_nothing_else() -> None:
    assert identity("Alice.Smith_1-x@Example.COM") == "alice.smith_1-x@example.com"
    assert identity("") == ""
    for name in LOOK_ALIKES:
        assert identity(name) is None, name
    assert all(identity(character) is None for character in EVERY_CHARACTER[128:])


@pytest.mark.parametrize(
    ("value", "folded"),
    [
        *(("José García", "jose garcia"), ("Łukasz", "lukasz"), ("ＦＵＬＬ", "full")),
        *(("İstanbul", "istanbul"), ("Işık", "isik"), ("ışık", "isik"), ("K", "k")),
        *(("Straße", "strasse"), ("STRAẞE", "strasse"), ("Æsir", "aesir"), ("œ", "oe")),
        *(("Þór", "thor"), ("ð", "d"), ("Đorđe", "dorde"), ("Øre", "ore"), ("Å", "a")),
        *(("Σίσυφος", "σισυφοσ"), ("ﬃnch", "ffinch"), ("²", "2"), ("ǿ", "o")),
        *(("שָׁלוֹם", "שלום"), ("مُحَمَّد", "محمد"), ("❤\ufe0f", "❤"), ("👩\u200d💻", "👩💻")),
        *(("が", "が"), ("か\u3099", "が"), ("\u1112\u1161\u11ab", "한"), ("…", "...")),
        *(("", ""), ("\u0301\u200d", ""), ("\xa0", " "), ("الله", "الله")),
    ],
)
def test_search_drops_case_accents_and_forms(value: str, folded: str) -> None:
    assert search(value) == folded


def test_search_tells_apart_what_are_other_letters() -> None:
    for one, other in (
        ("a", "а"),
        ("か", "が"),
        ("l", "1"),
        ("क", "कि"),
        ("ab", "a b"),
    ):
        assert search(one) != search(other)


def test_search_folds_every_character_once_and_for_all_and_leaves_no_capital() -> None:
    for character in EVERY_CHARACTER:
        folded = search(character)
        assert folded == character or search(folded) == folded, ascii(character)
        # But for Cherokee, whose small letters are the newer ones.
        capitals = {c for c in folded if unicodedata.category(c) in ("Lu", "Lt")}
        assert all("\u13a0" <= c <= "\u13f5" for c in capitals), ascii(character)


@repeatably
@given(STRINGS)
def test_search_is_idempotent_and_ignores_normal_form_and_case(value: str) -> None:
    folded = search(value)

    assert search(folded) == folded
    assert unicodedata.is_normalized("NFKC", folded)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert search(unicodedata.normalize(form, value)) == folded
    parts = unicodedata.normalize("NFD", value)
    for same in (parts.upper(), parts.lower(), parts.swapcase()):
        assert search(same) == folded, same


def test_no_text_is_too_long_to_fold_in_little_time() -> None:
    marks = "\u0301" * 333 + "\u0300" * 333 + "\u0323" * 333
    started = time.thread_time()
    assert search("a" + marks) == "a"
    assert time.thread_time() - started < 1
    with pytest.raises(ValueError, match=str(FOLDED_MAX)):
        search("a" * (FOLDED_MAX + 1))
