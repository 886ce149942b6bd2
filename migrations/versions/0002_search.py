"""The trigram indexes that make searching for a part of a text fast.

Revision: 0002, after 0001.
"""

import click
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# An external-content FTS5 table: it holds the index, `users` the text. The text is
# folded already, hence case_sensitive; each change of it changes the index by trigger.
_SQLITE = (
    """
    CREATE VIRTUAL TABLE users_search USING fts5(
        search_text, content='users', content_rowid='id',
        tokenize='trigram case_sensitive 1'
    )
    """,
    """
    CREATE TRIGGER users_search_insert AFTER INSERT ON users BEGIN
        INSERT INTO users_search (rowid, search_text)
        VALUES (new.id, new.search_text);
    END
    """,
    """
    CREATE TRIGGER users_search_delete AFTER DELETE ON users BEGIN
        INSERT INTO users_search (users_search, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
    END
    """,
    """
    CREATE TRIGGER users_search_update AFTER UPDATE OF search_text ON users BEGIN
        INSERT INTO users_search (users_search, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
        INSERT INTO users_search (rowid, search_text)
        VALUES (new.id, new.search_text);
    END
    """,
    "INSERT INTO users_search (users_search) VALUES ('rebuild')",
)

# Classes of SQLSTATE that say nothing of the extension: a lost connection, a deadlock,
# a full disk, a lock or a time that was not to be had. It may be there the next time.
_PASSING = ("", "08", "40", "53", "55", "57")


def upgrade() -> None:
    """Make the index; on PostgreSQL only if its extension pg_trgm can be had.

    Raises DBAPIError for what passes, so that the migration is run again.
    """
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for statement in _SQLITE:
            op.execute(statement)
        return
    try:
        with connection.begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            op.execute(
                "CREATE INDEX ix_users_search_text_trgm ON users "
                "USING gin (search_text gin_trgm_ops)"
            )
    except DBAPIError as error:
        if (getattr(error.orig, "sqlstate", None) or "")[:2] in _PASSING:
            raise
        click.echo(
            "Searches will read the whole users table, since the extension pg_trgm "
            f"can't be used: {str(error.orig).strip()} See docs/deployment.md.",
            err=True,
        )


def downgrade() -> None:
    """Drop the index; the extension stays, others may use it."""
    if op.get_bind().dialect.name == "sqlite":
        for event in ("insert", "delete", "update"):
            op.execute(f"DROP TRIGGER users_search_{event}")
        op.execute("DROP TABLE users_search")
    else:
        op.execute("DROP INDEX IF EXISTS ix_users_search_text_trgm")
