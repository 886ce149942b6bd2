"""How many users have each letter and pair of letters, for terms without trigrams.

Revision: 0006, after 0005.
"""

from collections import Counter
from operator import add

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FOLDED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# Between the columns of a searched text, and before a gram that begins a username.
SEPARATOR = "\x1f"
BATCH = 10_000

_SQLITE = (
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
)
# OLD is null where a row is inserted, NEW where one is deleted.
_POSTGRESQL = (
    """
    CREATE FUNCTION note_search_change() RETURNS trigger LANGUAGE plpgsql AS $$
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
)


# Making the trigger keeps writers away until the commit. So it is made after the long
# count, which counts a copy; users changed since the copy was made are noted. Also
# those who lock a row first, to write it then, must wait before the first: a later
# migration that alters the table would wait for them, and they for the trigger.
_KEEP_AWAY = "LOCK TABLE users IN EXCLUSIVE MODE"
_COPY = "CREATE UNLOGGED TABLE users_counted AS SELECT id, search_text FROM users"
_NOTE_CHANGED = """
    INSERT INTO search_changes (went, came)
    SELECT users_counted.search_text, users.search_text
    FROM users_counted FULL JOIN users ON users.id = users_counted.id
    WHERE users_counted.search_text IS DISTINCT FROM users.search_text
"""


def upgrade() -> None:
    """Make the tables and the triggers that fill them, and count who is there."""
    op.create_table(
        "search_changes",
        sa.Column("id", ID, nullable=False),
        sa.Column("went", FOLDED, nullable=True),
        sa.Column("came", FOLDED, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_changes")),
    )
    grams = op.create_table(
        "search_grams",
        sa.Column("gram", FOLDED, nullable=False),
        sa.Column("users", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gram", name=op.f("pk_search_grams")),
    )
    if op.get_bind().dialect.name == "sqlite":
        counted = _counted("users")  # No other writer until the commit.
        statements = [*_SQLITE]
    else:
        op.execute(_COPY)
        counted = _counted("users_counted")
        drop = "DROP TABLE users_counted"
        statements = [_KEEP_AWAY, *_POSTGRESQL, _NOTE_CHANGED, drop]
    for start in range(0, len(counted), BATCH):
        rows = counted[start : start + BATCH]
        op.bulk_insert(grams, [{"gram": gram, "users": n} for gram, n in rows])
    for statement in statements:
        op.execute(statement)


def _counted(table: str) -> list[tuple[str, int]]:
    """Return how many users have each gram; not all users are in memory at once."""
    counted: Counter[str] = Counter()
    rows = op.get_bind().execute(
        sa.text(f"SELECT search_text FROM {table}"),
        execution_options={"yield_per": BATCH},
    )
    for (searched,) in rows:
        counted.update(_grams(searched))
    return sorted(counted.items())


def _grams(searched: str) -> set[str]:
    """Return what `careers_users.validation.text.grams` did when this was written."""
    found = {SEPARATOR + searched[:2]}
    for part in searched.split(SEPARATOR):
        found.update(part)
        found.update(map(add, part, part[1:]))
    return found


def downgrade() -> None:
    """Drop the triggers and the tables; what they say can be counted again."""
    if op.get_bind().dialect.name == "sqlite":
        for event in ("insert", "delete", "update"):
            op.execute(f"DROP TRIGGER search_changes_{event}")
    else:
        op.execute("DROP TRIGGER search_changes_note ON users")
        op.execute("DROP FUNCTION note_search_change()")
    op.drop_table("search_grams")
    op.drop_table("search_changes")
