"""The kinds of value, against the contract's rules said in other words."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError, fields

from careers_users import create_app
from careers_users.validation.fields import (
    AvatarUrl,
    Bio,
    Email,
    NewPassword,
    PersonName,
    UserId,
    Username,
)
from careers_users.validation.query_fields import (
    BatchSize,
    NamePart,
    QueryNumber,
    SearchWords,
)
from careers_users.validation.usernames import reserved_names
from config import TestConfig
from tests.conftest import KEY

REFUSED = object()
many = settings(
    max_examples=300,
    deadline=None,
    database=None,
    derandomize=True,  # A run should not fail by chance.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXT = st.text(st.characters(codec=None) | st.sampled_from("\0\n\t \u200b\u202e\ud800"))
JSON = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.lists(TEXT)
# Almost usernames, addresses and URLs, since mere text never is one.
NAMES = st.text("aZ09_.-é\uff41 ", max_size=33)
ADDRESSES = st.text('ab.@-+é" ', max_size=30) | st.emails()
URLS = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["http", "https", "HTTPS", "ftp", "javascript", ""]),
    st.text("ab.-:@[]1é %", max_size=20),
    st.sampled_from(
        ["", "/", "/a.png", "/<x>", "/a b", '/"', "/\\", "?q", "#\n", "/é"]
    ),
)


@pytest.fixture(scope="module")
def app() -> Flask:
    """Return an application that never needs its database."""
    return create_app(TestConfig(database_url="sqlite:///none.db", jwt_secret_key=KEY))


@pytest.fixture(autouse=True)
def _in_application(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def load(field: fields.Field[Any], value: Any) -> Any:
    """Return what a field makes of a value, or REFUSED."""
    try:
        return field.deserialize(value)
    except ValidationError:
        return REFUSED


@many
@given(NAMES | JSON)
def test_a_username_is_ascii_in_its_form_and_kept_as_typed(
    app: Flask, value: Any
) -> None:
    is_good = (
        isinstance(value, str)
        and re.fullmatch(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{1,28}[a-zA-Z0-9_]", value)
        and ".." not in value
        and "--" not in value
        and value.lower() not in reserved_names(app)
    )
    assert load(Username(), value) == (value if is_good else REFUSED)


@many
@given(ADDRESSES | JSON)
def test_an_email_address_is_short_ascii_at_a_real_domain(value: Any) -> None:
    result = load(Email(), value)
    if result is not REFUSED:
        assert result == value
        assert value.isascii()
        assert len(value) <= 254
        assert re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}", value)


@pytest.mark.parametrize(
    "value",
    [
        *("a@localhost", "a@[127.0.0.1]", "a@b", "a@example.com.", "a b@example.com"),
        *("a@@example.com", "@example.com", "a@exämple.com", "a@ex.com\0"),
        f"{'a' * 250}@example.com",
    ],
)
def test_an_email_address_that_looks_right_is_refused(value: str) -> None:
    assert load(Email(), value) is REFUSED


@many
@given(TEXT | st.text(max_size=300))
def test_a_password_is_any_text_of_its_length(value: str) -> None:
    normal = unicodedata.normalize("NFC", value)
    is_storable = not re.search("[\0\ud800-\udfff]", value)
    is_good = is_storable and 8 <= len(normal) <= 256
    assert load(NewPassword(), value) == (normal if is_good else REFUSED)


@many
@given(JSON)
def test_names_and_bio_come_out_as_they_are_kept(value: Any) -> None:
    for field, most, allowed in ((PersonName(), 150, ""), (Bio(), 1000, "\n\t")):
        result = load(field, value)
        if result is REFUSED:
            continue
        assert result == unicodedata.normalize("NFC", result).strip()
        assert len(result) <= most
        for character in result:
            category = unicodedata.category(character)
            assert category not in ("Cc", "Cs") or character in allowed, hex(
                ord(character)
            )
            assert unicodedata.bidirectional(character) not in (
                *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
            )
        assert load(field, result) == result


@many
@given(URLS | JSON)
def test_an_avatar_is_a_plain_web_address(value: Any) -> None:
    result = load(AvatarUrl(), value)
    if value in (None, ""):
        assert result is None
    elif result is not REFUSED:
        assert result == value
        parts = urlsplit(value)
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert "@" not in parts.netloc
        assert value.isascii()
        assert len(value) <= 2048
        assert not re.search(r"[\s\"'<>\\]", value)


@many
@given(JSON | st.integers(-2, 2**64) | st.sampled_from([1.0, True, "1", 2**63 - 1]))
def test_a_user_id_is_a_json_integer_that_fits(value: Any) -> None:
    is_good = type(value) is int and 1 <= value <= 2**63 - 1
    assert load(UserId(), value) == (value if is_good else REFUSED)


@many
@given(TEXT | st.text("0123456789", max_size=12) | st.sampled_from(["１", "1_0", " 7"]))
def test_a_number_in_a_query_is_a_few_ascii_digits(value: str) -> None:
    is_good = re.fullmatch("[0-9]{1,9}", value) is not None
    assert load(QueryNumber(), value) == (int(value) if is_good else REFUSED)
    size = min(int(value), 100) if is_good and int(value) else REFUSED
    assert load(BatchSize(), value) == size


@many
@given(TEXT | st.text(min_size=145, max_size=155))
def test_a_search_term_is_what_a_database_can_hold(value: str) -> None:
    is_good = len(value) <= 150 and not re.search("[\0\ud800-\udfff]", value)
    assert (load(SearchWords(), value) is not REFUSED) == is_good
    assert (load(NamePart(), value) is not REFUSED) == is_good
