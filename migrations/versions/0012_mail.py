"""Mail to be sent, verified and pending addresses, and how long a step-up lasts.

No address counts as verified: none has been asked for a confirmation.

Revision: 0012, after 0011.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
IS_WAITING = sa.text("state = 'waiting'")
# All may be empty, so that neither database writes the table anew.
USERS: dict[str, sa.types.TypeEngine[Any]] = {
    "email_verified_at": TIME,
    "pending_email": sa.String(254),
    "pending_old_confirmed_at": TIME,
    "pending_new_confirmed_at": TIME,
    "mail_failed_at": TIME,
}


def upgrade() -> None:
    """Make the table, and add the columns."""
    op.create_table(
        "mails",
        sa.Column("id", ID, nullable=False),
        sa.Column("purpose", sa.String(30), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("locale", sa.String(35), nullable=False),
        sa.Column("asked", sa.String(64), nullable=True),
        sa.Column("address", sa.String(254), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("next_try_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("leased_until", TIME, nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("done_at", TIME, nullable=True),
        sa.Column("error", sa.String(60), nullable=True),
        sa.Column("used_at", TIME, nullable=True),
        sa.Column("voided_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_mails_waiting",
        "mails",
        ["tries", "next_try_at"],
        sqlite_where=IS_WAITING,
        postgresql_where=IS_WAITING,
    )
    op.create_index(op.f("ix_mails_user_id_purpose"), "mails", ["user_id", "purpose"])
    op.create_index(op.f("ix_mails_created_at"), "mails", ["created_at"])
    for name, type_ in USERS.items():
        op.add_column("users", sa.Column(name, type_, nullable=True))
    op.add_column("refresh_tokens", sa.Column("step_up_until", TIME, nullable=True))


def downgrade() -> None:
    """Drop it all: which addresses are verified, and mail that waits, are lost."""
    op.drop_column("refresh_tokens", "step_up_until")
    for name in USERS:
        op.drop_column("users", name)
    op.drop_table("mails")
