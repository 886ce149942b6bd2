"""Texts of users about themselves, over HTTP: taken as documented, or refused."""

from typing import Any

import emoji
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from careers_users.validation import characters
from careers_users.validation.text import nfc
from tests.api import Api

FIELDS = {"first_name": 150, "last_name": 150, "bio": 1000}
RGI_STATUS = 2  # "fully qualified" in Unicode's emoji-test.txt.
anything = hypothesis_settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,  # A run should not fail by chance.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def token(api: Api) -> str:
    """Return the access token of a registered user."""
    return api.register("alice").access


def change(api: Api, token: str, **fields: Any) -> Any:
    """Change a profile; return what it shows now, or what is wrong with the change."""
    reply = api.patch("me/", fields, token=token)
    assert reply.status_code in (200, 400), reply.text
    return reply.json if reply.status_code == 200 else reply.json["details"]


@pytest.mark.parametrize(
    "name", ["👩‍💻", "🏳️‍⚧️", "कृष्\u200dण", "علی\u200cرضا", "葛\U000e0100城"]
)
def test_joined_letters_and_emoji_are_names(api: Api, token: str, name: str) -> None:
    shown = change(api, token, first_name=name, last_name=name, bio=f"I am {name}")
    assert (shown["first_name"], shown["last_name"]) == (name, name)
    assert api.get("alice/").json["bio"] == f"I am {name}"


def test_every_emoji_of_unicodes_list_stands_in_a_bio(api: Api, token: str) -> None:
    known = [e for e, data in emoji.EMOJI_DATA.items() if data["status"] == RGI_STATUS]
    assert len(known) > 3600
    for start in range(0, len(known), 100):
        bio = "".join(known[start : start + 100])
        assert change(api, token, bio=bio)["bio"] == bio


@pytest.mark.parametrize(
    "text",
    [
        *("\u3164", "\u2800", "\U000e0041", "\u115f", "\ufe0f", "\u200d", "\ufff9"),
        *(
            "a\u200bb",
            "a\u200db",
            "x\ufe0f",
            "\uffff",
            "\ufdd0",
            "\U0001fffe",
            "x\u2028x",
        ),
        *("\U0001d159", "\x1fa", "a\x1c", "\ufffc", "a" + "\u0301" * 31),
        "🏴" + "".join(chr(0xE0000 + ord(c)) for c in "a hidden message"),
    ],
)
def test_invisible_text_is_refused(api: Api, token: str, text: str) -> None:
    for field in FIELDS:
        assert list(change(api, token, **{field: text})) == [field], ascii(text)
    assert change(api, token, first_name="")["first_name"] == ""


@anything
@given(st.text(st.characters(codec="utf-8"), max_size=20), st.sampled_from([*FIELDS]))
def test_text_comes_back_as_documented(
    api: Api, token: str, text: str, field: str
) -> None:
    reply = change(api, token, **{field: text})
    if list(reply) == [field]:
        refused = (characters.is_clean_line, characters.is_clean_text)[field == "bio"]
        kept = nfc(characters.trimmed(text.replace("\r\n", "\n")))
        assert not (refused(kept) and characters.is_visible(kept))
    else:
        kept = nfc(text.replace("\r\n", "\n"))
        assert reply[field] == characters.trimmed(kept)
        assert api.get("me/", token=token).json[field] == reply[field]
        assert change(api, token, **{field: reply[field]})[field] == reply[field]


@pytest.mark.parametrize(("field", "longest"), FIELDS.items())
def test_length_is_of_what_is_kept(
    api: Api, token: str, field: str, longest: int
) -> None:
    for sent in ("é" * longest, "e\u0301" * longest, f"  {'x' * longest}\n"):
        assert len(change(api, token, **{field: sent})[field]) == longest
    for sent in ("é" * (longest + 1), "x" * 60_000, " " * 60_000, "\u0301" * 20_000):
        assert list(change(api, token, **{field: sent})) == [field]


def test_a_search_term_has_no_more_marks_in_a_row_than_a_name(api: Api) -> None:
    for name in ("search", "q", "first_name", "last_name"):
        for term, status in (("a" + "\u0301" * 30, 200), ("a" + "\u0301" * 31, 400)):
            reply = api.get("", query_string={name: term})
            assert reply.status_code == status, (name, reply.json)
