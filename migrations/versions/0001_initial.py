"""The tables: users and their counters, follows, sessions, revocations, totals.

Revision: 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FOLDED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    _create_users()
    _create_counters()
    _create_follows()
    _create_sessions()


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        sa.Column("username", sa.String(30), nullable=False),
        sa.Column("username_key", FOLDED, nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", FOLDED, nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("first_name", sa.String(150), nullable=False),
        sa.Column("first_name_key", FOLDED, nullable=False),
        sa.Column("last_name", sa.String(150), nullable=False),
        sa.Column("last_name_key", FOLDED, nullable=False),
        sa.Column("bio", sa.String(1000), nullable=False),
        sa.Column("avatar", sa.String(2048), nullable=True),
        sa.Column("search_text", FOLDED, nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username_key", name=op.f("uq_users_username_key")),
        sa.UniqueConstraint("email_key", name=op.f("uq_users_email_key")),
        sqlite_autoincrement=True,
    )
    for key in ("username_key", "created_at", "first_name_key", "last_name_key"):
        op.create_index(op.f(f"ix_users_{key}_id"), "users", [key, "id"])


def _create_counters() -> None:
    counters = (
        "followers_count",
        "following_count",
        "posts_count",
        "likes_received",
        "comments_received",
    )
    op.create_table(
        "user_counters",
        sa.Column("user_id", ID, nullable=False),
        *(sa.Column(counter, sa.BigInteger(), nullable=False) for counter in counters),
        *(
            sa.CheckConstraint(f"{name} >= 0", name=op.f(f"ck_user_counters_{name}"))
            for name in counters
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_counters")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_user_counters_user_id_users"),
            ondelete="CASCADE",
        ),
    )
    totals = op.create_table(
        "totals",
        sa.Column("name", sa.String(30), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("value >= 0", name=op.f("ck_totals_value")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_totals")),
    )
    op.bulk_insert(totals, [{"name": "users", "value": 0}])


def _create_follows() -> None:
    op.create_table(
        "follows",
        sa.Column("id", ID, nullable=False),
        sa.Column("follower_id", ID, nullable=False),
        sa.Column("following_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint(
            "follower_id <> following_id", name=op.f("ck_follows_not_oneself")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follows")),
        sa.UniqueConstraint(
            "follower_id",
            "following_id",
            name=op.f("uq_follows_follower_id_following_id"),
        ),
        sa.ForeignKeyConstraint(
            ["follower_id"],
            ["users.id"],
            name=op.f("fk_follows_follower_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["following_id"],
            ["users.id"],
            name=op.f("fk_follows_following_id_users"),
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    for end in ("follower_id", "following_id"):
        op.create_index(op.f(f"ix_follows_{end}_id"), "follows", [end, "id"])


def _create_sessions() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("revoked_reason", sa.String(30), nullable=True),
        sa.Column("user_agent", sa.String(255), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_refresh_tokens_user_id_users"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        op.f("ix_refresh_tokens_user_id_created_at"),
        "refresh_tokens",
        ["user_id", "created_at"],
    )
    op.create_index(
        op.f("ix_refresh_tokens_expires_at"), "refresh_tokens", ["expires_at"]
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("revoked_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revoked_tokens")),
    )
    op.create_index(
        op.f("ix_revoked_tokens_expires_at"), "revoked_tokens", ["expires_at"]
    )


def downgrade() -> None:
    """Drop the tables, and everything in them."""
    for table in (
        "revoked_tokens",
        "refresh_tokens",
        "follows",
        "totals",
        "user_counters",
        "users",
    ):
        op.drop_table(table)
