"""Whether the database is at the schema that this code was written for."""

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

_PACKAGE = Path(__file__).parents[1]
# Triggers of the table users at the newest revision; a test compares them with those
# that the migrations make.
_TOTALS = {f"user_totals_{event}" for event in ("insert", "delete", "suspend")}
TRIGGERS = {
    "postgresql": _TOTALS,
    "sqlite": _TOTALS
    | {f"users_search_{event}" for event in ("insert", "update", "delete")},
}
_FOUND = {
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass('users')"
    " AND NOT tgisinternal AND tgenabled IN ('O', 'A')",
    "sqlite": "SELECT name FROM sqlite_master"
    " WHERE type = 'trigger' AND tbl_name = 'users'",
}


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


def is_newer(revision: str) -> bool:
    """Return whether a revision is of a later version of the service than this one.

    Revisions are numbered, so a later one has a higher number and is not known here.
    """
    return revision.isdigit() and revision > (head() or "")


def current(engine: Engine) -> tuple[str, ...]:
    """Return the revisions that a database is at: one, or none if it is empty.

    Raises SQLAlchemyError if the database can't be asked.
    """
    with engine.connect() as connection:
        return current_of(connection)


def current_of(connection: Connection) -> tuple[str, ...]:
    """Return the same as a connection sees it."""
    return MigrationContext.configure(connection).get_current_heads()


def missing_triggers(engine: Engine) -> list[str]:
    """Return the names of the triggers that a migrated database lacks.

    None are missed in a database of a later version, which may have others. Raises
    SQLAlchemyError if the database can't be asked.
    """
    kind = engine.dialect.name
    with engine.connect() as connection:
        if current_of(connection) != (head(),):
            return []
        found = connection.exec_driver_sql(_FOUND[kind]).scalars().all()
    return sorted(TRIGGERS[kind] - set(found))


def mistake(engine: Engine) -> str | None:
    """Return what is wrong with the database's schema, as a sentence; None if nothing.

    A newer schema is none: migrations only add what the version before can do without,
    so that it goes on serving (and can be started again) while the new one is deployed.
    Raises SQLAlchemyError if the database can't be asked.
    """
    found = current(engine)
    if found == (head(),) or (len(found) == 1 and is_newer(found[0])):
        return None
    names = ", ".join(found) or "empty"
    return f"The database is not migrated ({names}, not {head()}): flask db upgrade"
