"""The settings of each connection to PostgreSQL, so that the server's do not matter.

A role, a database and a server can set how times are written, which encoding a client
is taken to have, and how transactions are isolated. Our statements and the driver rely
on one answer to each.
"""

from typing import Any

from psycopg import OperationalError
from sqlalchemy import Engine, event

from careers_users.database import libpq

# The server reports changes of these to its clients, so PgBouncer keeps them for each
# of its own, in transaction mode too.
_REPORTED = (
    "client_encoding = 'UTF8'",
    "DateStyle = 'ISO, MDY'",
    "TimeZone = 'UTC'",
    "standard_conforming_strings = on",
)
ISOLATION = "READ COMMITTED"
# PgBouncer would leave these to the next client of a server connection.
SESSION = (
    f"default_transaction_isolation = '{ISOLATION.lower()}'",
    # Anything else would have searches return a part of what they find.
    "gin_fuzzy_search_limit = 0",
)
_ENCODING = "UTF8"


def tell(engine: Engine, *settings: str) -> None:
    """Have each new connection of an engine set what we rely on, and `settings`."""
    orders = "; ".join(f"SET {each}" for each in (*_REPORTED, *settings)).encode()

    # First, since SQLAlchemy asks the first connection how it is set, and writes
    # statements for all to suit that.
    @event.listens_for(engine, "connect", insert=True)
    def connect(connection: Any, _record: object) -> None:
        encoding = connection.pgconn.parameter_status(b"server_encoding").decode()
        if encoding != _ENCODING:
            raise OperationalError(f"the database's encoding is {encoding}")
        # By libpq, for which no transaction begins, whose end might take it all back.
        libpq.command(connection, orders)
