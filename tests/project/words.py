"""The rules of docs/architecture.md about words, as far as a machine can hold them.

`python -m tests.project.words` prints what breaks them, as FILE:LINE: RULE: TEXT.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.project.documents import ROOT

PLACES = tuple(
    "careers_users migrations tests benchmarks deploy docs clients/python".split()
)
# The document has its words.
GENERATED = ROOT / "clients/python/careers_users_client/types.py"
# Words with a better one in the field: expired, revoked, ended, idle, client, operator,
# user, worker, connection pool, dispatcher, warning.
WORDS = re.compile(
    r"\b(nobody|somebody|newcomers?|whoever|whomever|mourn\w*|bur(y|ied)|mercy|courtesy"
    r"|crowds?|outliv\w*|handover|troubles|notices|people|grown-up|folks?)\b",
    re.IGNORECASE,
)
# A sentence names its subject first.
OPENING = re.compile(
    r"(?:^|[.;:] |\n\n)(Who|What|Whoever|Whom|Of (?:a|an|the|those|these|all|what)"
    r"|For (?:who|what|whom)|The same|As (?:the|a|before|in))\b(?! ?\?)"
)
PHRASES = re.compile(r"\b(otherwise as|the same of|tells? whether)\b", re.IGNORECASE)
# Docstrings of functions start with a verb (PEP 257); those of tests state a behaviour.
NO_VERB = re.compile(r"^(The|A|An|How|Where|When|Whether|If|All|Each|Its|Their|This)\b")

# A test is named by what it shows, with its subject first.
TEST_NAME = re.compile(
    r"def test_((who|what|whoever|of)_|\w*(nobody|somebody|people|whoever|outlive))"
)

REPLACED = re.compile(r"^\*+Replaced(\*\*)? by ", re.MULTILINE)


class Finding(NamedTuple):
    """A text that breaks a rule."""

    path: Path
    line: int
    rule: str
    text: str


def sources() -> list[Path]:
    """Return the Python files whose words are read."""
    found = [path for place in PLACES for path in (ROOT / place).rglob("*.py")]
    tops = [ROOT / "config.py", ROOT / "wsgi.py"]
    return sorted(
        path
        for path in [*found, *tops]
        if "node_modules" not in path.parts and path != GENERATED
    )


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """Yield line and text of each docstring, and whether it must start with a verb."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and (text := ast.get_docstring(node)):
            name = "" if isinstance(node, ast.Module) else node.name
            states = isinstance(node, ast.Module | ast.ClassDef) or "test_" in name[:5]
            yield node.body[0].lineno, text, not states


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the first line and the text of each block of comments."""
    start, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if lines and token.start[0] == start + len(lines):
                lines.append(token.string.lstrip("# "))
                continue
            if lines:
                yield start, " ".join(lines)
            start, lines = token.start[0], [token.string.lstrip("# ")]
    if lines:
        yield start, " ".join(lines)


def breaches(text: str, *, is_function: bool) -> Iterator[tuple[str, str]]:
    """Yield the rules that a text breaks, each with the words that do."""
    plain = re.sub(r"`[^`]*`|\"[^\"]*\"", "_", text)
    for rule, pattern in (("word", WORDS), ("opening", OPENING), ("phrase", PHRASES)):
        for match in pattern.finditer(plain):
            yield rule, plain[match.start() : match.start() + 60].replace("\n", " ")
    if is_function and NO_VERB.match(plain):
        yield "no verb", plain[:60].replace("\n", " ")


def findings(path: Path) -> Iterator[Finding]:
    """Yield the breaks of rules in a file's docstrings, comments and test names."""
    source = path.read_text("utf-8")
    texts = [*docstrings(ast.parse(source))]
    texts += [(line, text, False) for line, text in comments(source)]
    for line, text, is_function in texts:
        for rule, words in breaches(text, is_function=is_function):
            yield Finding(path.relative_to(ROOT), line, rule, words)
    for number, row in enumerate(source.splitlines(), 1):
        if TEST_NAME.match(row):
            yield Finding(path.relative_to(ROOT), number, "test name", row.strip())


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first line and the text of each paragraph, list item and table row."""
    start, lines, in_code = 0, list[str](), False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.startswith("```"):
            in_code = not in_code
            continue
        begins = line.lstrip().startswith(("| ", "- ", "* "))
        if lines and (begins or not line.strip()):
            yield start, " ".join(lines)
            lines = []
        if line.strip() and not in_code:
            start = start if lines else number
            lines.append(line.strip(" |-*"))


def findings_in_document(path: Path) -> Iterator[Finding]:
    """Yield the breaks of rules in a document; a replaced record stays as it was."""
    text = path.read_text("utf-8")
    if not REPLACED.search(text):
        for line, paragraph in paragraphs(text):
            for rule, words in breaches(paragraph, is_function=False):
                yield Finding(path.relative_to(ROOT), line, rule, words)


def all_findings() -> Iterator[Finding]:
    """Yield the findings of all Python files and documents."""
    for path in sources():
        yield from findings(path)
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        yield from findings_in_document(path)


def main() -> None:
    """Print all findings."""
    for each in all_findings():
        sys.stdout.write(f"{each.path}:{each.line}: {each.rule}: {each.text}\n")


if __name__ == "__main__":
    main()
