"""Copies the SQLite database of a running service; needs nothing but Python.

    python3 deploy/backup_sqlite.py instance/careers_users.db backups --keep 14

The copy is what was committed at one moment. It is checked before it gets its name, so
a file `careers_users-*.db` in the directory is whole; to restore one, see
docs/operations.md. Exits with 1 and a sentence if there is no good copy.
"""

import argparse
import os
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

PREFIX = "careers_users-"
# Seconds to wait for a writer that holds the database at that moment.
PATIENCE = 60


class BackupError(Exception):
    """There is no good copy; the message says why."""


def back_up(database: Path, directory: Path) -> Path:
    """Copy `database` into `directory` and return the copy's path.

    Raises BackupError if the database can't be read, or its copy is not sound.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.db"
    unfinished = directory / f"{name}.unfinished"
    # Private: there are e-mail addresses and password hashes in it.
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        _copy(database, unfinished)
        _check(unfinished)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        return unfinished.rename(directory / name)
    except sqlite3.Error as error:
        raise BackupError(f"{database} can't be copied: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(database: Path, target: Path) -> None:
    # mode=ro: a wrong path is an error, not a new and empty database.
    source = f"{database.resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(source, uri=True, timeout=PATIENCE)) as here,
        closing(sqlite3.connect(target)) as there,
    ):
        here.backup(there)  # All pages in one step, so in one read transaction.
        # One file, without the -wal and -shm that its WAL mode would bring.
        there.execute("PRAGMA journal_mode = DELETE")


def _check(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        damage = connection.execute("PRAGMA integrity_check").fetchall()
        if damage != [("ok",)]:
            raise BackupError(f"The copy is damaged: {damage[0][0]}")
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            raise BackupError("The copy has rows that refer to rows which are gone.")
        connection.execute("SELECT version_num FROM alembic_version")


def prune(directory: Path, keep: int) -> None:
    """Delete all copies in `directory` but the newest `keep`."""
    for path in sorted(directory.glob(f"{PREFIX}*.db"))[:-keep]:
        path.unlink()


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Copy the SQLite database.")
    parser.add_argument("database", type=Path, help="the service's database")
    parser.add_argument("directory", type=Path, help="where the copies go")
    parser.add_argument(
        "--keep", type=int, metavar="N", help="delete all but the newest N copies"
    )
    given = parser.parse_args()
    if given.keep is not None and given.keep < 1:
        parser.error("--keep must be at least 1")
    try:
        copy = back_up(given.database, given.directory)
        if given.keep:
            prune(given.directory, given.keep)
    except (BackupError, OSError) as error:
        sys.stderr.write(f"backup_sqlite: {error}\n")
        return 1
    sys.stdout.write(f"{copy}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
