"""The leases of background jobs, and less waiting for rows that everybody refers to.

Revision: 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

from careers_users import clock
from careers_users.database import index_builds

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
# Due from now on: if no process runs them, it shows.
JOBS = (
    "expired-sessions",
    "expired-revocations",
    "expired-reservations",
    "expired-attempts",
    "old-security-events",
    "old-post-events",
)
# Percent of a page that inserts fill. A row that is updated all the time finds room for
# its next version beside it, and its indexes need not be touched.
FILL = {"user_counters": 80, "refresh_tokens": 80, "throttle": 50, "totals": 10}
# The function runs with an empty search path in a restore of data alone.
PIN = """
    DO $$ BEGIN
        EXECUTE format(
            'ALTER FUNCTION note_search_change() SET search_path = %I, pg_temp',
            current_schema()
        );
    END $$
"""


def upgrade() -> None:
    """Make the table, with the jobs that there are; let PostgreSQL wait less."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        _replace_email_key()
    jobs = op.create_table(
        "jobs",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("holder", sa.String(60), nullable=True),
        sa.Column("leased_until", TIME, nullable=True),
        sa.Column("succeeded_at", TIME, nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_jobs")),
    )
    now = clock.utcnow()
    rows = [{"name": name, "due_at": now, "failures": 0} for name in JOBS]
    op.bulk_insert(jobs, rows)
    op.add_column("users", sa.Column("closing_until", TIME, nullable=True))
    if is_postgresql:
        op.execute(PIN)
        for table, percent in FILL.items():
            op.execute(f"ALTER TABLE {table} SET (fillfactor = {percent})")


def _replace_email_key() -> None:
    """Keep addresses unique by an index that no foreign key could refer to.

    A change of what one could refer to waits for all who refer to the row, and never
    gets its turn while a user is followed all the time. The condition always holds.
    """
    index_builds.create_index(
        "uq_users_email_key_new",
        "users",
        ["email_key"],
        unique=True,
        postgresql_where=sa.text("email_key IS NOT NULL"),
    )
    op.drop_constraint("uq_users_email_key", "users", type_="unique")
    op.execute("ALTER INDEX uq_users_email_key_new RENAME TO uq_users_email_key")


def downgrade() -> None:
    """Drop it all; all jobs are due again after the next upgrade."""
    if op.get_bind().dialect.name == "postgresql":
        for table in FILL:
            op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
        op.execute("ALTER FUNCTION note_search_change() RESET search_path")
        op.drop_index("uq_users_email_key", "users")
        op.create_unique_constraint("uq_users_email_key", "users", ["email_key"])
    op.drop_column("users", "closing_until")
    op.drop_table("jobs")
