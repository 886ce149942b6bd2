"""The documents of the repository."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def text_of(path: str) -> str:
    """Return a file of the repository."""
    return (ROOT / path).read_text("utf-8")
