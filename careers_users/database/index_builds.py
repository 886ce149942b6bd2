"""Indexes that migrations make and drop while others read and write (PostgreSQL).

Each commits what its migration has done before, and is done at once, so a migration
calls these first. Interrupted and run again, it finds what is left to do.
"""

from typing import Any

from alembic import op
from sqlalchemy import text

_IS_VALID = text(
    "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"
)


def create_index(name: str, table: str, columns: list[str], **options: Any) -> None:
    """Make an index; writers of the table go on meanwhile.

    On SQLite, which has one writer, as a part of the migration's transaction. `options`
    are those of Alembic's `op.create_index`.
    """
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        op.create_index(name, table, columns, **options)
        return
    is_valid = connection.execute(_IS_VALID, {"name": name}).scalar_one_or_none()
    if is_valid:
        return
    with op.get_context().autocommit_block():
        if is_valid is not None:  # Left by an interrupted build.
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def drop_index(name: str, table: str) -> None:
    """Drop an index; those who read the table go on meanwhile."""
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index(name, table)
        return
    with op.get_context().autocommit_block():
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
