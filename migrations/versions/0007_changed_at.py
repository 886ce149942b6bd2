"""When users have last changed something, so that they read it back from the primary.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("users", "user_counters")


def upgrade() -> None:
    """Add the columns, empty: whatever was changed before is old."""
    for table in TABLES:
        op.add_column(
            table, sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True)
        )


def downgrade() -> None:
    """Drop the columns."""
    for table in TABLES:
        op.drop_column(table, "changed_at")
