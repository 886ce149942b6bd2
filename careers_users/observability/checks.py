"""Looks whether the service can run well where it is, and says what to do if not.

For `careers-users check`, the log at start, and /health/ready.
"""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from careers_users import database, keys, server
from careers_users.database import errors, schema_version
from careers_users.observability import mail_checks, meters
from careers_users.observability.database_checks import (
    clock_of,
    jobs,
    migrations,
    reached,
    read_replica,
    search_index,
    sign_ins,
    timeouts,
    triggers,
)
from careers_users.observability.findings import ERROR, OK, WARNING, Finding
from careers_users.settings import Settings

# Room for SQLite's log to grow between two checkpoints, and then some.
DISK_ERROR_BYTES = 16 * 1024**2
DISK_WARNING_BYTES = 1024**3
# A random key of 32 characters has about twenty different ones.
KEY_CHARACTERS_MIN = 12
_GUESSABLE = "secret password changeme change-me example careers test-key".split()
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def settings_wrong(message: str) -> Finding:
    """Return the finding for settings that can't be read; nothing else can be then."""
    return Finding(
        "settings", ERROR, message, "docs/configuration.md explains every setting."
    )


def all_of(app: Flask, settings: Settings) -> list[Finding]:
    """Look at everything; `app` is made of `settings`."""
    findings = [
        Finding("settings", OK, "All settings can be read."),
        *needed_to_serve(settings),
        listening(settings),
        proxy(settings),
        disk(settings),
        mail_checks.mail(settings),
    ]
    if _is_fresh(settings):
        message = f"Nothing in {_data_dir(settings)} yet: serve makes it."
        return [*findings, Finding("database", OK, message)]
    database_found = _ask("database", lambda: reached(app))
    findings.append(database_found)
    if database_found.state == OK:
        migrated = _ask("migrations", lambda: migrations(app, settings))
        findings.append(migrated)
        engine = database.reader(app)
        if migrated.state != ERROR and schema_version.mistake(engine) is None:
            findings += [
                _ask("triggers", lambda: triggers(engine)),
                _ask("search", lambda: search_index(app)),
                _ask("timeouts", lambda: timeouts(app, settings)),
                _ask("clock", lambda: clock_of(engine)),
                _ask("sign-ins", lambda: sign_ins(app, settings)),
                _ask("jobs", lambda: jobs(app)),
                _ask("outbox", lambda: mail_checks.outbox(app)),
                _ask("replica", lambda: read_replica(app, settings)),
            ]
    return findings


def needed_to_serve(settings: Settings) -> list[Finding]:
    """Look at what this machine must have for the service; errors stop its start."""
    return [signing_key(settings), files(settings), metrics_extra(settings)]


def at_start(app: Flask, settings: Settings) -> list[Finding]:
    """Look at what a service that starts should warn of; return what is not right."""
    findings = (
        signing_key(settings),
        triggers(database.reader(app)),
        search_index(app),
        timeouts(app, settings),
        clock_of(database.reader(app)),
        disk(settings),
        read_replica(app, settings),
    )
    return [finding for finding in findings if finding.state != OK]


def _ask(name: str, question: Callable[[], Finding]) -> Finding:
    try:
        return question()
    except SQLAlchemyError as error:
        return Finding(name, ERROR, errors.sentence(error), "")


def _data_dir(settings: Settings) -> Path:
    return Path(str(settings.url.database)).parent


def _is_fresh(settings: Settings) -> bool:
    return settings.embedded and not Path(str(settings.url.database)).exists()


# ------------------------------------------------------------------------ signing key


def signing_key(settings: Settings) -> Finding:
    """Look whether the signing key is there and can't be guessed."""
    if settings.jwt_key_ring is not None:
        return _key_ring(settings.jwt_key_ring)
    key = settings.jwt_secret_key
    advice = (
        'Make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
    )
    if not key and settings.embedded:
        return Finding("secret", OK, "serve makes a signing key.")
    if not key:
        message = (
            "With a DATABASE_URL, CAREERS_USERS_JWT_SECRET_KEY must be set too, to the "
            "same value for all instances."
        )
        return Finding("secret", ERROR, message, advice)
    if len(set(key)) < KEY_CHARACTERS_MIN or any(
        word in key.lower() for word in _GUESSABLE
    ):
        return Finding(
            "secret",
            WARNING,
            "The signing key looks like one that can be guessed: who has it can sign "
            "in as anybody.",
            advice,
        )
    return Finding("secret", OK, "The signing key is long and varied enough.")


def _key_ring(path: Path) -> Finding:
    try:
        keys.read_ring(path).signing_key()
    except keys.KeyRingError as error:
        return Finding("secret", ERROR, str(error))
    return Finding("secret", OK, f"Keys come from {path}.")


def metrics_extra(settings: Settings) -> Finding:
    """Look whether the library is here that metrics need, if they are wanted."""
    if not settings.metrics:
        return Finding("metrics", OK, "Metrics are off.")
    if meters.AVAILABLE:
        return Finding("metrics", OK, "Metrics are served at /metrics.")
    return Finding(
        "metrics",
        ERROR,
        "CAREERS_USERS_METRICS is on, but prometheus-client is not installed.",
        "Install it with: pip install 'careers_users[metrics]'",
    )


# ------------------------------------------------------- files, address, disk, proxy


def files(settings: Settings) -> Finding:
    """Look who may read and write the database's files; SQLite only."""
    if not settings.is_sqlite:
        return Finding("files", OK, "Nothing is kept here.")
    folder = _data_dir(settings)
    if _is_fresh(settings):
        return _room_for(folder)
    if not folder.exists():
        return Finding("files", OK, "Nothing is there.")
    for path in (folder, *folder.glob(f"{Path(str(settings.url.database)).name}*")):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            return Finding(
                "files",
                ERROR,
                f"{path} is not ours to read and write.",
                "Run this as the service's user, and give that user the directory.",
            )
    if os.name != "posix":
        return Finding("files", OK, "Ours to write; who else may, is not looked at.")
    if stat.S_IMODE(folder.stat().st_mode) & _OTHERS & ~(stat.S_IRGRP | stat.S_IXGRP):
        return Finding(
            "files",
            WARNING,
            f"Other users of this machine may look into {folder}.",
            f"chmod 700 {folder}",
        )
    return Finding("files", OK, f"{folder} is private, and ours to write.")


def _room_for(folder: Path) -> Finding:
    parent = folder
    while not parent.exists():
        parent = parent.parent
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return Finding("files", OK, "Nothing is there yet.")
    return Finding(
        "files",
        ERROR,
        f"The data directory {folder} can't be made or written to: {parent} is no "
        "directory that is ours to write.",
        "Set CAREERS_USERS_DATA_DIR to one this user may write to.",
    )


def listening(settings: Settings) -> Finding:
    """Look whether HOST is an address of this machine; PORT may be ours already."""
    try:
        server.try_address(settings.host)
    except server.ServerError as error:
        return Finding("address", ERROR, str(error))
    return Finding("address", OK, f"{settings.host} can be listened on.")


def disk(settings: Settings) -> Finding:
    """Look how much room there is; of PostgreSQL's disk nothing is known here."""
    if not settings.is_sqlite:
        return Finding("disk", OK, "PostgreSQL's disk can't be seen from here.")
    return _disk(_data_dir(settings))


def disk_of(engine: Engine) -> Finding:
    """Look how much room the database has that an engine reaches."""
    url = engine.url
    if url.get_backend_name() != "sqlite":
        return Finding("disk", OK, "PostgreSQL's disk can't be seen from here.")
    return _disk(Path(str(url.database)).parent)


def free_bytes(engine: Engine) -> int | None:
    """Return the room on the disk of the database that an engine reaches, if known."""
    url = engine.url
    if url.get_backend_name() != "sqlite":
        return None
    return _free(Path(str(url.database)).parent)


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _disk(folder: Path) -> Finding:
    free = _free(folder)
    message = f"{free / 1024**2:,.0f} MiB are free where the database is."
    if free >= DISK_WARNING_BYTES:
        return Finding("disk", OK, message)
    state = ERROR if free < DISK_ERROR_BYTES else WARNING
    return Finding("disk", state, message, "Make room, or move it to a larger disk.")


def proxy(settings: Settings) -> Finding:
    """Look whether it is clear whose forwarding headers are believed."""
    trusted = settings.trusted_proxy
    if not trusted:
        return Finding(
            "proxy", OK, "No proxy is trusted: right if clients connect directly."
        )
    if "*" in trusted:
        return Finding(
            "proxy",
            WARNING,
            "Everybody's forwarding headers are believed, and clients can forge them.",
            "Set CAREERS_USERS_TRUSTED_PROXY to the proxy's address.",
        )
    return Finding("proxy", OK, f"Trusted to name the clients: {', '.join(trusted)}.")


# --------------------------------------------------------------------------- database
