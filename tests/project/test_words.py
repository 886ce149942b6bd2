"""Docstrings and comments follow the rules of docs/architecture.md about words."""

import pytest

from tests.project.documents import ROOT
from tests.project.words import breaches, findings, sources

# Files whose words are still to be mended; the list only gets shorter.
UNMENDED = (
    "careers_users/__main__.py",
    "careers_users/account/password.py",
    "careers_users/account/schemas.py",
    "careers_users/account/service.py",
    "careers_users/auth/login.py",
    "careers_users/auth/places.py",
    "careers_users/auth/queries.py",
    "careers_users/follow/queries.py",
    "careers_users/follow/service.py",
    "careers_users/profile/queries.py",
)


def test_docstrings_and_comments_follow_the_rules() -> None:
    read = [
        path
        for path in sources()
        if not str(path.relative_to(ROOT)).startswith(UNMENDED)
    ]
    assert read
    assert [each for path in read for each in findings(path)] == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Let a newcomer in.", "word"),
        ("Who asks, and what for.", "opening"),
        ("Return it; otherwise as `other`.", "phrase"),
        ("The rows of a user.", "no verb"),
    ],
)
def test_each_rule_finds_what_breaks_it(text: str, rule: str) -> None:
    assert [found for found, _ in breaches(text, is_function=True)] == [rule]


def test_good_words_break_no_rule() -> None:
    text = 'Return whether `Who` or "What a day" is in the text.\n\nNone if neither is.'
    assert list(breaches(text, is_function=True)) == []
