"""Listening to the statements of an application."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import BigInteger, String, column, event, table

from careers_users.extensions import db

# A table that the service does not use any more, for statements that only tests make.
NUMBERS = table("totals", column("name", String()), column("value", BigInteger()))


@contextmanager
def listened_to(app: Flask) -> Iterator[list[str]]:
    """Add a listener to statements, so that the usual way is taken."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)
