"""The events of the service that owns posts: which were taken in, and what they left.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "activity_events",
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("source", "id", name=op.f("pk_activity_events")),
    )
    op.create_index(
        op.f("ix_activity_events_received_at"), "activity_events", ["received_at"]
    )
    op.create_table(
        "activity_marks",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("counter", sa.String(30), nullable=False),
        sa.Column("debt", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", TIME, nullable=True),
        sa.Column("counted_at", TIME, nullable=True),
        sa.CheckConstraint("debt >= 0", name=op.f("ck_activity_marks_debt")),
        sa.PrimaryKeyConstraint("user_id", "counter", name=op.f("pk_activity_marks")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_counters.user_id"],
            name=op.f("fk_activity_marks_user_id_user_counters"),
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    """Drop the tables; the counters stay as they are."""
    op.drop_table("activity_marks")
    op.drop_table("activity_events")
