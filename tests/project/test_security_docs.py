"""The pages about security name tests that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/security.md", "docs/threat-model.md")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("page", PAGES)
def test_every_test_named_is_there(page: str) -> None:
    named = _NAMED.findall((ROOT / page).read_text("utf-8"))
    assert len(named) > 25
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        assert not name or name in functions, f"{path}::{name}"


def test_requirements_said_to_be_met_are_shown_by_a_test_or_explained() -> None:
    text = (ROOT / PAGES[0]).read_text("utf-8")
    rows = re.findall(
        r"^\| (\d+\.\d+\.\d+.*?) \| (.+?) \| (.+?) \| (.+) \|$", text, re.MULTILINE
    )
    assert len(rows) > 45
    for number, asked, state, how in rows:
        assert state in ("Met", "In part", "Not met", "n/a"), number
        assert len(asked) > 15, number
        if state == "Met":
            assert _NAMED.search(how), number
        else:
            assert len(how) > 10, number
