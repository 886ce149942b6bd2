"""Revisions that only a test makes, after those that there are."""

from pathlib import Path

from alembic.script import ScriptDirectory


def add_revision(history: Path, upgrade: str) -> Path:
    """Write the revision after the newest; `upgrade` is the body of its function."""
    newest = ScriptDirectory(str(history)).get_current_head()
    number = f"{int(newest or 0) + 1:04d}"
    path = history / "versions" / f"{number}_test.py"
    path.write_text(
        f'"""A change that only a test makes, {number}."""\n'
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = {number!r}, {newest!r}\n"
        "branch_labels = depends_on = None\n"
        f"def upgrade():\n{upgrade}\n",
        "utf-8",
    )
    return path
