"""Rotation of refresh tokens, the audit trail, the names of deleted accounts.

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FOLDED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add a column that may be empty, and two tables: older code works on."""
    op.add_column("refresh_tokens", sa.Column("confirmed_at", TIME, nullable=True))
    op.create_table(
        "security_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("user_agent", sa.String(255), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_security_events_user_id_id"), "security_events", ["user_id", "id"]
    )
    op.create_index(
        op.f("ix_security_events_created_at"), "security_events", ["created_at"]
    )
    op.create_table(
        "reserved_usernames",
        sa.Column("username_key", FOLDED, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("username_key", name=op.f("pk_reserved_usernames")),
    )
    op.create_index(
        op.f("ix_reserved_usernames_expires_at"), "reserved_usernames", ["expires_at"]
    )


def downgrade() -> None:
    """Take them away again; sessions that were rotated go on."""
    op.drop_table("reserved_usernames")
    op.drop_table("security_events")
    op.drop_column("refresh_tokens", "confirmed_at")
