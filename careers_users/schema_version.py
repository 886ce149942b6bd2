"""Whether the database is at the schema that this code was written for."""

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Engine

from careers_users import database

_PACKAGE = Path(__file__).parent


def migrations_directory() -> Path:
    """Return where the migrations are: in the installed package, or beside it."""
    installed = _PACKAGE / "migrations"
    return installed if installed.is_dir() else _PACKAGE.parent / "migrations"


@cache
def head() -> str | None:
    """Return the newest revision that this code knows."""
    config = Config()
    config.set_main_option(
        "script_location", str(migrations_directory()).replace("%", "%%")
    )
    return ScriptDirectory.from_config(config).get_current_head()


def mistake(app: Flask) -> str | None:
    """Return what is wrong with the database's schema, as a sentence; None if nothing.

    Raises SQLAlchemyError if the database can't be asked.
    """
    with app.app_context():
        return mistake_of(database.reader())


def mistake_of(engine: Engine) -> str | None:
    """Return the same of the database that an engine reaches."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    if current == (head(),):
        return None
    found = ", ".join(current) or "empty"
    return f"The database is not migrated ({found}, not {head()}): flask db upgrade"
