"""The number of users in parts that triggers change; an end to counted letters.

The texts by which users are found are written anew afterwards, in batches, by
`careers_users.profile.refold`: with `db upgrade`, while the service goes on.

The tables `totals`, `search_grams` and `search_changes` stay for the version before,
which may serve meanwhile; a revision of a later release drops them.

Revision: 0010, after 0009.
"""

import unicodedata
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# As many registrations can be committed at once on PostgreSQL.
SHARDS = 64
BATCH = 1000
# Between the parts of a searched text, and what no text had in it before this revision.
SEPARATOR, MARK = "\x1f", "QQ"
# Taken before anything else, since a transaction that has locked a row to write it next
# would wait for a weaker lock, and this one for that row.
_LOCK = "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"

_UNCOUNT_LETTERS = {
    "sqlite": [
        f"DROP TRIGGER search_changes_{event}"
        for event in ("insert", "delete", "update")
    ],
    "postgresql": [
        "DROP TRIGGER search_changes_note ON users",
        "DROP FUNCTION note_search_change()",
    ],
}
_COUNT_USERS = {
    "sqlite": [
        """
        CREATE TRIGGER user_totals_insert AFTER INSERT ON users BEGIN
            UPDATE user_totals SET value = value + 1;
        END
        """,
        """
        CREATE TRIGGER user_totals_delete AFTER DELETE ON users BEGIN
            UPDATE user_totals SET value = value - 1;
        END
        """,
    ],
    # Once for each statement, however many rows it has. The path is pinned, or
    # `pg_restore --data-only`, which sets none, would not find the table.
    "postgresql": [
        f"""
        CREATE FUNCTION count_users() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        DECLARE
            change bigint;
        BEGIN
            SELECT count(*) INTO change FROM changed;
            UPDATE user_totals
            SET value = value + CASE TG_OP WHEN 'INSERT' THEN change ELSE -change END
            WHERE shard = pg_backend_pid() % {SHARDS};
            RETURN NULL;
        END $$
        """,
        """
        CREATE TRIGGER user_totals_insert AFTER INSERT ON users
        REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION count_users()
        """,
        """
        CREATE TRIGGER user_totals_delete AFTER DELETE ON users
        REFERENCING OLD TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION count_users()
        """,
    ],
}


def upgrade() -> None:
    """Count the users, from now on by triggers, and letters no more."""
    kind = op.get_bind().dialect.name
    totals = op.create_table(
        "user_totals",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_user_totals")),
    )
    shards = range(SHARDS if kind == "postgresql" else 1)
    op.bulk_insert(totals, [{"shard": shard, "value": 0} for shard in shards])
    if kind == "postgresql":
        op.execute(_LOCK)
    for statement in (*_UNCOUNT_LETTERS[kind], *_COUNT_USERS[kind]):
        op.execute(statement)
    op.execute(
        "UPDATE user_totals SET value = (SELECT count(*) FROM users) WHERE shard = 0"
    )


# ------------------------------------------------------------------------------- back

_USERS = sa.table(
    "users",
    *(
        sa.column(name, sa.Text())
        for name in "username first_name last_name bio search_text".split()
    ),
    sa.column("id", sa.BigInteger()),
    sa.column("first_name_key", sa.Text()),
    sa.column("last_name_key", sa.Text()),
)
_COUNT_LETTERS = {
    "sqlite": [
        """
        CREATE TRIGGER search_changes_insert AFTER INSERT ON users BEGIN
            INSERT INTO search_changes (came) VALUES (new.search_text);
        END
        """,
        """
        CREATE TRIGGER search_changes_delete AFTER DELETE ON users BEGIN
            INSERT INTO search_changes (went) VALUES (old.search_text);
        END
        """,
        """
        CREATE TRIGGER search_changes_update AFTER UPDATE OF search_text ON users
        WHEN old.search_text <> new.search_text BEGIN
            INSERT INTO search_changes (went, came)
            VALUES (old.search_text, new.search_text);
        END
        """,
    ],
    "postgresql": [
        """
        CREATE FUNCTION note_search_change() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        BEGIN
            IF OLD.search_text IS DISTINCT FROM NEW.search_text THEN
                INSERT INTO search_changes (went, came)
                VALUES (OLD.search_text, NEW.search_text);
            END IF;
            RETURN NULL;
        END $$
        """,
        """
        CREATE TRIGGER search_changes_note
        AFTER INSERT OR DELETE OR UPDATE OF search_text ON users
        FOR EACH ROW EXECUTE FUNCTION note_search_change()
        """,
    ],
}
# All letters of all users are a change that is not counted yet: the version before
# counts it with its next `auth prune`, and until then reads it for a short search.
_RECOUNT = (
    "UPDATE totals SET value = (SELECT count(*) FROM users) WHERE name = 'users'",
    "DELETE FROM search_grams",
    "DELETE FROM search_changes",
    "INSERT INTO search_changes (came) SELECT search_text FROM users",
)


def downgrade() -> None:
    """Write the texts as the version before does; count its letters and its total."""
    connection = op.get_bind()
    kind = connection.dialect.name
    if kind == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")
    _rewrite(connection)
    if kind == "postgresql":
        op.execute(_LOCK)
        _rewrite(connection)  # Rows written since.
        op.execute("DROP TRIGGER user_totals_insert ON users")
        op.execute("DROP TRIGGER user_totals_delete ON users")
        op.execute("DROP FUNCTION count_users()")
    else:
        op.execute("DROP TRIGGER user_totals_insert")
        op.execute("DROP TRIGGER user_totals_delete")
    op.drop_table("user_totals")
    for statement in (*_RECOUNT, *_COUNT_LETTERS[kind]):
        op.execute(statement)


def _rewrite(connection: sa.Connection) -> None:
    """Write the texts that this revision's version has written, a batch at a time."""
    position = (
        sa.func.strpos if connection.dialect.name == "postgresql" else sa.func.instr
    )
    marked = (
        sa.select(_USERS)
        .where(_USERS.c.id > sa.bindparam("after"))
        .where(position(_USERS.c.search_text, MARK) > 0)
        .order_by(_USERS.c.id)
        .limit(BATCH)
    )
    update = (
        sa.update(_USERS)
        .where(_USERS.c.id == sa.bindparam("user_id"))
        # Not if a user has changed it since it was read.
        .where(_USERS.c.search_text == sa.bindparam("old_text"))
        .values(
            {
                name: sa.bindparam(f"new_{name}")
                for name in ("first_name_key", "last_name_key", "search_text")
            }
        )
    )
    after = 0
    while rows := connection.execute(marked, {"after": after}).mappings().all():
        connection.execute(update, [_before(row) for row in rows])
        after = rows[-1]["id"]


def _before(row: Any) -> dict[str, Any]:
    """Return a row's texts as the version before this revision writes them."""
    names = (row[name] for name in ("username", "first_name", "last_name", "bio"))
    return {
        "user_id": row["id"],
        "old_text": row["search_text"],
        "new_first_name_key": _fold(row["first_name"]),
        "new_last_name_key": _fold(row["last_name"]),
        "new_search_text": SEPARATOR.join(map(_fold, names)),
    }


def _fold(value: str) -> str:
    folded = unicodedata.normalize("NFD", value).casefold()
    return unicodedata.normalize("NFC", folded)
