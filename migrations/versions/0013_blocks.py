"""Blocks, mutes and suspension: tables, the user's columns, totals without suspended.

The indexes of the directory's orderings have whether a user is suspended as well, so
that a batch is still found in one of them alone.

Revision: 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

from careers_users.database import index_builds

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
ORDERINGS = ("username_key", "created_at", "first_name_key", "last_name_key")
SHARDS = 64

# With `shown` and `was_shown` as the condition of those who are counted.
_COUNT_SQLITE = """
    CREATE TRIGGER user_totals_insert AFTER INSERT ON users {shown}BEGIN
        UPDATE user_totals SET value = value + 1;
    END;
    CREATE TRIGGER user_totals_delete AFTER DELETE ON users {was_shown}BEGIN
        UPDATE user_totals SET value = value - 1;
    END;
"""
_COUNT_POSTGRESQL = f"""
    CREATE OR REPLACE FUNCTION count_users() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
    DECLARE
        change bigint;
    BEGIN
        SELECT count(*) INTO change FROM changed{{shown}};
        UPDATE user_totals
        SET value = value + CASE TG_OP WHEN 'INSERT' THEN change ELSE -change END
        WHERE shard = pg_backend_pid() % {SHARDS};
        RETURN NULL;
    END $$
"""
_WHEN_CHANGED = "WHEN ((OLD.suspended_at IS NULL) <> (NEW.suspended_at IS NULL))"
_COUNT_SUSPENSIONS = {
    "sqlite": [
        f"""
        CREATE TRIGGER user_totals_suspend AFTER UPDATE OF suspended_at ON users
        {_WHEN_CHANGED} BEGIN
            UPDATE user_totals
            SET value = value + CASE WHEN NEW.suspended_at IS NULL THEN 1 ELSE -1 END;
        END
        """
    ],
    "postgresql": [
        f"""
        CREATE FUNCTION count_suspension() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        BEGIN
            UPDATE user_totals
            SET value = value + CASE WHEN NEW.suspended_at IS NULL THEN 1 ELSE -1 END
            WHERE shard = pg_backend_pid() % {SHARDS};
            RETURN NULL;
        END $$
        """,
        f"""
        CREATE TRIGGER user_totals_suspend AFTER UPDATE OF suspended_at ON users
        FOR EACH ROW {_WHEN_CHANGED} EXECUTE FUNCTION count_suspension()
        """,
    ],
}


def upgrade() -> None:
    """Make the columns, indexes and tables, and count suspended users no more."""
    _index_orderings()
    op.add_column(
        "users",
        sa.Column(
            "has_blocks", sa.Boolean(), server_default=sa.false(), nullable=False
        ),
    )
    op.add_column("users", sa.Column("suspended_until", TIME, nullable=True))
    op.add_column("users", sa.Column("suspension_reason", sa.String(30), nullable=True))
    op.add_column("users", sa.Column("suspension_note", sa.Text(), nullable=True))
    op.create_index(
        "ix_users_suspended",
        "users",
        ["id", "suspended_until", "suspended_at"],
        postgresql_where=sa.text("suspended_at IS NOT NULL"),
        sqlite_where=sa.text("suspended_at IS NOT NULL"),
    )
    _create_pairs("blocks", "blocker_id", "blocked_id")
    op.create_index(
        op.f("ix_blocks_blocked_id_blocker_id"), "blocks", ["blocked_id", "blocker_id"]
    )
    _create_pairs("mutes", "muter_id", "muted_id", sa.Column("muted_until", TIME))
    op.create_index(op.f("ix_mutes_muted_id"), "mutes", ["muted_id"])
    _create_park()
    _count(" WHERE suspended_at IS NULL", "WHEN ({}.suspended_at IS NULL) ")
    for statement in _COUNT_SUSPENSIONS[op.get_bind().dialect.name]:
        op.execute(statement)


def _index_orderings() -> None:
    """Put the column into the indexes; interrupted and run again, do what is left."""
    column = sa.Column("suspended_at", TIME, nullable=True)
    if op.get_bind().dialect.name == "postgresql":
        # The indexes are built apart from the transaction, so the column is, too.
        with op.get_context().autocommit_block():
            op.add_column("users", column, if_not_exists=True)
    else:
        op.add_column("users", column)
    for key in ORDERINGS:
        name = f"ix_users_{key}_id_suspended_at"
        index_builds.create_index(name, "users", [key, "id", "suspended_at"])
    for key in ORDERINGS:
        index_builds.drop_index(f"ix_users_{key}_id", "users")


def _create_pairs(
    table: str, first: str, second: str, *more: sa.Column[object]
) -> None:
    """Make a table of what one user does to another, with its list's index."""
    op.create_table(
        table,
        sa.Column("id", ID, nullable=False),
        *_ends(table, first, second),
        *more,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f(f"ix_{table}_{first}_id"), table, [first, "id"])


def _create_park() -> None:
    op.create_table(
        "parked_follows",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        *_ends("parked_follows", "follower_id", "following_id"),
        sa.Column("user_id", ID, nullable=False),
        _reference("parked_follows", "user_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parked_follows")),
    )
    for columns in (["following_id"], ["user_id", "id"]):
        name = op.f(f"ix_parked_follows_{'_'.join(columns)}")
        op.create_index(name, "parked_follows", columns)


def _ends(table: str, first: str, second: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column(first, ID, nullable=False),
        sa.Column(second, ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _reference(table, first),
        _reference(table, second),
        sa.UniqueConstraint(first, second, name=op.f(f"uq_{table}_{first}_{second}")),
        sa.CheckConstraint(
            f"{first} <> {second}", name=op.f(f"ck_{table}_not_oneself")
        ),
    )


def _reference(table: str, column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_users")
    return sa.ForeignKeyConstraint([column], ["users.id"], name, ondelete="CASCADE")


def _count(where: str, when: str) -> None:
    """Have the triggers count those who meet the conditions, when they come and go."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_COUNT_POSTGRESQL.format(shown=where))
        return
    for event in ("insert", "delete"):
        op.execute(f"DROP TRIGGER user_totals_{event}")
    texts = _COUNT_SQLITE.format(shown=when.format("NEW"), was_shown=when.format("OLD"))
    for statement in texts.split("END;")[:-1]:
        op.execute(f"{statement}END")


# ------------------------------------------------------------------------------- back

_RAISE = """
    UPDATE user_counters SET {counter} = {counter} + (
        SELECT count(*) FROM parked_follows WHERE {end} = user_counters.user_id
    ) WHERE user_id IN (SELECT {end} FROM parked_follows)
"""
_UNPARK = (
    "INSERT INTO follows (id, follower_id, following_id, created_at) "
    "SELECT id, follower_id, following_id, created_at FROM parked_follows",
    _RAISE.format(counter="followers_count", end="following_id"),
    _RAISE.format(counter="following_count", end="follower_id"),
    "UPDATE user_totals SET value = value + ("
    "SELECT count(*) FROM users WHERE suspended_at IS NOT NULL) WHERE shard = 0",
)


def downgrade() -> None:
    """Show everybody again, with parked edges; blocks and mutes are lost."""
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for key in ORDERINGS:
        index_builds.create_index(f"ix_users_{key}_id", "users", [key, "id"])
    for key in ORDERINGS:
        index_builds.drop_index(f"ix_users_{key}_id_suspended_at", "users")
    if is_postgresql:
        op.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
    _count("", "")
    on_users = " ON users" if is_postgresql else ""
    op.execute(f"DROP TRIGGER user_totals_suspend{on_users}")
    if is_postgresql:
        op.execute("DROP FUNCTION count_suspension()")
    for statement in _UNPARK:
        op.execute(statement)
    for table in ("parked_follows", "mutes", "blocks"):
        op.drop_table(table)
    op.drop_index("ix_users_suspended", "users")
    for name in (
        "suspension_note",
        "suspension_reason",
        "suspended_until",
        "suspended_at",
        "has_blocks",
    ):
        op.drop_column("users", name)
