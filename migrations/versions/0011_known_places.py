"""Known places in rows of their own, which the end of a session does not end.

Earlier sign-ins are not copied: it takes the service's key to make the hashes. A place
is known again after the next login there.

Revision: 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "known_places",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_known_places_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_known_places")),
    )
    op.create_index(op.f("ix_known_places_expires_at"), "known_places", ["expires_at"])


def downgrade() -> None:
    """Drop it; what it knows is lost."""
    op.drop_table("known_places")
