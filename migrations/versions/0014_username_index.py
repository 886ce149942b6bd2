"""One index of usernames on PostgreSQL, where two held the same.

The unique one gets the columns of the other, so that the list by username is a walk in
it. SQLite has no such columns and keeps both.

Revision: 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op

from careers_users.database import index_builds

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NAME = "uq_users_username_key"
ORDERING = "ix_users_username_key_id_suspended_at"


def upgrade() -> None:
    """Build the unique index anew, with more columns, and drop the other."""
    if op.get_bind().dialect.name == "sqlite":
        return
    index_builds.create_index(
        f"{NAME}_new",
        "users",
        ["username_key"],
        unique=True,
        postgresql_include=["id", "suspended_at"],
    )
    index_builds.drop_index(ORDERING, "users")
    op.drop_constraint(NAME, "users", type_="unique")
    op.execute(sa.text(f"ALTER INDEX {NAME}_new RENAME TO {NAME}"))


def downgrade() -> None:
    """Make both again."""
    if op.get_bind().dialect.name == "sqlite":
        return
    index_builds.create_index(ORDERING, "users", ["username_key", "id", "suspended_at"])
    op.drop_index(NAME, "users")
    op.create_unique_constraint(NAME, "users", ["username_key"])
