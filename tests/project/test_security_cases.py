"""Each case of the security review has a test that names it, or is accepted by name."""

import ast
import re

from tests.project.package_imports import ROOT

CASES = {f"S{number}" for number in range(1, 12)}
NAME = re.compile(r"\bS(?:[1-9]|1[01])\b")


def named_in_tests() -> set[str]:
    """Return the cases that docstrings of tests, or of their modules, name."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in (tree, *tree.body):
            if isinstance(node, ast.Module) or (
                isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            ):
                found |= {*NAME.findall(ast.get_docstring(node) or "")}
    return found


def accepted() -> set[str]:
    """Return the cases that the threat model accepts."""
    text = (ROOT / "docs/threat-model.md").read_text("utf-8")
    _, heading, section = text.partition("\n## Accepted\n")
    assert heading
    return {*NAME.findall(section)}


def test_each_case_is_tested_or_accepted() -> None:
    assert accepted() >= {"S11"}
    assert named_in_tests() | accepted() >= CASES
