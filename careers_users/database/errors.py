"""The meaning of a database's errors, in words for its operator."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_READ_ONLY = "25006"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trouble:
    """A kind of trouble: its short name, what to do, and how it is recognised.

    `codes` are the beginnings of SQLSTATEs (PostgreSQL, appendix A) and the names that
    SQLite gives its errors; `words` stand in messages that come without such a code, as
    those of connections that fail do.
    """

    name: str
    advice: str
    codes: tuple[str, ...]
    words: str = r"(?!)"


UNREACHABLE = Trouble(
    "unreachable",
    "The database can't be reached: check that it runs, and the host and port of "
    "DATABASE_URL",
    ("08", "57P"),
)
FULL = Trouble(
    "disk full",
    "The database has no room left to write: make room on its disk",
    ("53100", "SQLITE_FULL", "SQLITE_IOERR_WRITE"),
)
_BUSY = Trouble(
    "connections used up",
    "No connection was free in time: raise CAREERS_USERS_DB_POOL_SIZE, or look for "
    "what holds them",
    (),
)
_TOO_SLOW = Trouble(
    "too slow",
    "A statement was cancelled, or took longer than "
    "CAREERS_USERS_DB_STATEMENT_TIMEOUT allows",
    ("57014", "25P03", "SQLITE_INTERRUPT"),
)
_UNREADABLE = Trouble(
    "unreadable value",
    "The database holds a value that can't be read, such as a time before the year 1 "
    "or after 9999",
    ("22",),
)
_FAILED = Trouble("failed", "A statement failed", ())
_TROUBLES = (
    FULL,
    Trouble(
        "wrong encoding",
        "The database can't hold text of every language: make it anew with ENCODING "
        "'UTF8', as deploy/postgresql.sql does",
        (),
        r"the database's encoding is \w+",
    ),
    Trouble(
        "access denied",
        "The database refuses the user or the password of DATABASE_URL",
        ("28",),
        r"authentication failed|no password supplied|no pg_hba\.conf entry"
        r'|role ".*" does not exist|not permitted to log in',
    ),
    Trouble(
        "not permitted",
        "The role of DATABASE_URL may not do this: use the owner of the tables",
        ("42501",),
    ),
    Trouble(
        "no such database",
        "The server runs, but has no database of the name in DATABASE_URL",
        ("3D",),
        r'database ".*" does not exist',
    ),
    Trouble(
        "not migrated",
        "The database is not migrated: careers-users db upgrade",
        # A table or a column is missing, or a prepared statement is out of date.
        ("42P01", "42703", "0A000", "26000"),
        r"no such (table|column)|has no column named",
    ),
    Trouble(
        "too many connections",
        "The database server takes no more connections: use fewer processes, or raise "
        "its limit",
        ("53300",),
        r"too many (clients|connections)|connection slots are reserved",
    ),
    Trouble(
        "read-only",
        "The database can only be read: it is a standby, or its files are not ours to "
        "write",
        ("25006", "SQLITE_READONLY"),
    ),
    Trouble(
        "locked",
        "Another program holds the database's locks for too long",
        ("55P03", "40", "SQLITE_BUSY", "SQLITE_LOCKED"),
    ),
    _TOO_SLOW,
    Trouble(
        "can't be opened",
        "The database file can't be opened: check that its directory exists and is "
        "ours to write",
        ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"),
    ),
    Trouble(
        "damaged",
        "The database file is damaged, or no database: restore it from a backup",
        ("SQLITE_CORRUPT", "SQLITE_NOTADB"),
    ),
    Trouble(
        "disk trouble",
        "The disk of the database fails",
        ("SQLITE_IOERR", "58", "53", "XX"),
    ),
)


def kind(error: SQLAlchemyError) -> Trouble:
    """Return what kind of trouble an error is.

    Errors of a connection without a code are UNREACHABLE. Conversions fail in the
    driver, so they have no code either, and say nothing about the connection.
    """
    if isinstance(error, PoolTimeoutError):
        return _BUSY
    original = getattr(error, "orig", None)
    code = getattr(original, "sqlstate", None)
    code = code or getattr(original, "sqlite_errorname", None) or ""
    for trouble in _TROUBLES:
        if code and code.startswith(trouble.codes):
            return trouble
    if isinstance(error, DataError):
        return _UNREADABLE
    if isinstance(error, IntegrityError):  # Its words quote what users have typed.
        return _FAILED
    for trouble in _TROUBLES:
        if re.search(trouble.words, str(original)):
            return trouble
    is_connection = isinstance(error, (OperationalError, InterfaceError))
    return UNREACHABLE if is_connection else _FAILED


def sentence(error: SQLAlchemyError) -> str:
    """Return what is wrong and what to do in one line, with the driver's own words.

    No statement and no parameters: those may hold private data.
    """
    return f"{kind(error).advice} ({reason(error)})"


def reason(error: SQLAlchemyError) -> str:
    """Return the driver's own words in one line, without statement and parameters."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


@contextmanager
def if_possible(what: str) -> Iterator[None]:
    """Let the block fail if the database is in trouble; log that `what` was not done.

    For work that no reply depends on: its failure must not undo what was done before.
    """
    try:
        yield
    except SQLAlchemyError as error:
        if not is_trouble(error):
            raise
        log.warning("%s: %s", what, sentence(error))


def is_violated(error: IntegrityError, constraint: str) -> bool:
    """Return whether `error` is the violation of the constraint of that name.

    SQLite names a unique constraint by its columns; PostgreSQL all by their name, to
    which a sharding extension may add a number.
    """
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        return (diagnosis.constraint_name or "").startswith(constraint)
    _, _, check = str(error.orig).partition("CHECK constraint failed: ")
    if check:
        return check == constraint
    _, _, columns = str(error.orig).partition("UNIQUE constraint failed: ")
    if not columns:
        return False
    table = columns.partition(".")[0]
    names = (column.rpartition(".")[2] for column in columns.split(", "))
    return f"uq_{table}_{'_'.join(names)}" == constraint


def is_read_only(error: BaseException | None) -> bool:
    """Return whether a driver's error says that this server only lets us read.

    It has become a standby; another of the URL's hosts may be written to.
    """
    return getattr(error, "sqlstate", None) == _READ_ONLY


def is_timed_out(error: DBAPIError) -> bool:
    """Return whether a statement was ended because it took too long."""
    return kind(error) is _TOO_SLOW


def is_trouble(error: Exception) -> bool:
    """Return whether the database is in trouble, and not a statement or a value."""
    kinds_of_statements = (_UNREADABLE, _FAILED)
    return isinstance(error, SQLAlchemyError) and kind(error) not in kinds_of_statements
