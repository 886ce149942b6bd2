"""Puts a database back as the dataset has it, after a comparison wrote into it."""

from collections.abc import Iterable

from sqlalchemy import create_engine, inspect, text

from careers_users.cli.demo.people import Size

# Edges of the dataset are numbered from 1 on; what comes after them was made since.
_NEW_EDGES = (
    """
    UPDATE user_counters SET followers_count = followers_count - made.number
    FROM (SELECT following_id, count(*) AS number FROM follows WHERE id > :edges
          GROUP BY following_id) AS made
    WHERE made.following_id = user_counters.user_id
    """,
    """
    UPDATE user_counters SET following_count = following_count - made.number
    FROM (SELECT follower_id, count(*) AS number FROM follows WHERE id > :edges
          GROUP BY follower_id) AS made
    WHERE made.follower_id = user_counters.user_id
    """,
    "DELETE FROM follows WHERE id > :edges",
)
_SESSIONS = (
    "DELETE FROM revoked_tokens",
    "DELETE FROM refresh_tokens",
    "DELETE FROM security_events",
    "DELETE FROM known_places",
)
_PEERS_EDGES = ("drf_follow", "fast_follows")
# A table that refers to another comes first.
_PEERS_SESSIONS = (
    "token_blacklist_blacklistedtoken",
    "token_blacklist_outstandingtoken",
    "fast_refresh_tokens",
)


def tidy(urls: Iterable[str], size: Size) -> None:
    """Take away the sessions and edges that a comparison left, also from counters."""
    for url in urls:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
        tables = inspect(engine).get_table_names()
        with engine.begin() as connection:
            for statement in (*_NEW_EDGES, *_SESSIONS):
                values = {"edges": size.edges} if ":edges" in statement else {}
                connection.execute(text(statement), values)
            for table in _PEERS_EDGES:
                if table in tables:
                    statement = f"DELETE FROM {table} WHERE id > :edges"
                    connection.execute(text(statement), {"edges": size.edges})
            for table in _PEERS_SESSIONS:
                if table in tables:
                    connection.execute(text(f"DELETE FROM {table}"))
        engine.dispose()


def settle(url: str) -> None:
    """Let a database finish what it would do by itself in time: vacuum, statistics.

    Right after it is filled, parts of it may not be known as visible to everybody yet,
    and a walk in an index would look every row up.
    """
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    quiet = engine.execution_options(isolation_level="AUTOCOMMIT")
    with quiet.connect() as connection:
        is_sqlite = engine.dialect.name == "sqlite"
        connection.execute(text("ANALYZE" if is_sqlite else "VACUUM (ANALYZE)"))
    engine.dispose()
