"""When users have last changed something, so that they read it back from the primary.

Revision: 0007, after 0006.
"""

import time

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("users", "user_counters")
TRIES = 100
PAUSE = 0.1  # Seconds; readers go on meanwhile.
NOT_AVAILABLE = "55P03"


def _lock() -> None:
    """Take both tables at once, or neither: readers lock them in either order.

    Waiting for the second while holding the first could be waiting for ever.
    """
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    for left in range(TRIES)[::-1]:
        try:
            with connection.begin_nested():
                op.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
                op.execute("LOCK TABLE user_counters IN ACCESS EXCLUSIVE MODE NOWAIT")
                return
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != NOT_AVAILABLE or not left:
                raise
        time.sleep(PAUSE)


def upgrade() -> None:
    """Add the columns, empty: whatever was changed before is old."""
    _lock()
    for table in TABLES:
        op.add_column(
            table, sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True)
        )


def downgrade() -> None:
    """Drop the columns."""
    _lock()
    for table in TABLES:
        op.drop_column(table, "changed_at")
