"""Code and documents follow the rules of docs/architecture.md about words."""

import pytest

from tests.project.words import all_findings, breaches, paragraphs


def test_code_and_documents_follow_the_rules() -> None:
    assert list(all_findings()) == []


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


def test_documents_are_read_by_paragraph_without_their_code() -> None:
    text = "One\ntwo.\n\n```sh\nWho\n```\n- three\n  four\n| five | six |\n"
    found = [(1, "One two."), (7, "three four"), (9, "five | six")]
    assert list(paragraphs(text)) == found


def test_good_words_break_no_rule() -> None:
    text = 'Return whether `Who` or "What a day" is in the text.\n\nNone if neither is.'
    assert list(breaches(text, is_function=True)) == []
