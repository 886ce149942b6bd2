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
SECONDS = 10  # Until it gives up the second table; env.py says when it does the first.
PAUSE = 0.1  # Seconds; readers go on meanwhile.
NOT_AVAILABLE = "55P03"


def _lock() -> None:
    """Take both tables at once, or neither: readers lock them in either order.

    Waiting for the second while holding the first could be waiting for ever. So it is
    tried again, but only for the second: everybody else queues behind who waits for the
    first.
    """
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    deadline = time.monotonic() + SECONDS
    while True:
        with connection.begin_nested() as savepoint:
            op.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            try:
                op.execute("LOCK TABLE user_counters IN ACCESS EXCLUSIVE MODE NOWAIT")
                return
            except DBAPIError as error:
                is_locked = getattr(error.orig, "sqlstate", None) == NOT_AVAILABLE
                if not is_locked or time.monotonic() > deadline:
                    raise
                savepoint.rollback()
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
