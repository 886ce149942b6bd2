"""Looks whether the service can run well where it is, and says what to do if not.

For `careers-users check`, the log at start, and /health/ready.
"""

import os
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import BigInteger, Connection, Engine, bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError

from careers_users import clock, database
from careers_users.database import engine as database_engine
from careers_users.database import errors, schema_version
from careers_users.models import RefreshToken, User
from careers_users.settings import Settings

_ADDRESSES = (
    select(RefreshToken.address)
    .order_by(RefreshToken.created_at.desc())
    .limit(bindparam("number", type_=BigInteger()))
)
_NEWEST = select(
    select(func.max(User.created_at)).scalar_subquery().label("user"),
    select(func.max(RefreshToken.created_at)).scalar_subquery().label("session"),
)


OK, WARNING, ERROR = "ok", "warning", "error"

# Tokens are good for a little less or more than they should be, by as much.
CLOCK_TOLERANCE = timedelta(seconds=30)
# Room for SQLite's log to grow between two checkpoints, and then some.
DISK_ERROR_BYTES = 16 * 1024**2
DISK_WARNING_BYTES = 1024**3
# A random key of 32 characters has about twenty different ones.
KEY_CHARACTERS_MIN = 12
_GUESSABLE = "secret password changeme change-me example careers test-key".split()
# Sign-ins looked at, to see whether they all seem to come from one place.
_SIGN_INS = 50
_SIGN_INS_MIN = 10
# How long a replica is waited for.
REPLICA_SECONDS = 2
_IDENTITY = (
    "SELECT system_identifier AS cluster, current_database() AS name,"
    " pg_is_in_recovery() AS is_standby FROM pg_control_system()"
)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Finding:
    """What was looked at, in which state it is, and what to do about it."""

    name: str
    state: str
    message: str
    advice: str = ""


def settings_wrong(message: str) -> Finding:
    """Return the finding for settings that can't be read; nothing else can be then."""
    return Finding(
        "settings", ERROR, message, "docs/configuration.md explains every setting."
    )


def all_of(app: Flask, settings: Settings) -> list[Finding]:
    """Look at everything; `app` is made of `settings`."""
    findings = [
        Finding("settings", OK, "All settings can be read."),
        signing_key(settings),
        files(settings),
        proxy(settings),
        disk(settings),
    ]
    if _is_fresh(settings):
        message = f"Nothing in {_data_dir(settings)} yet: serve makes it."
        return [*findings, Finding("database", OK, message)]
    reached = _ask("database", lambda: _database(app))
    findings.append(reached)
    if reached.state == OK:
        migrated = _ask("migrations", lambda: _migrations(app, settings))
        findings.append(migrated)
        if migrated.state == OK:
            findings.append(_ask("search", lambda: search_index(app)))
            findings.append(_ask("timeouts", lambda: timeouts(app, settings)))
            findings.append(_ask("clock", lambda: clock_of(database.reader_of(app))))
            findings.append(_ask("sign-ins", lambda: _sign_ins(app, settings)))
            findings.append(_ask("replica", lambda: read_replica(app, settings)))
    return findings


def at_start(app: Flask, settings: Settings) -> list[Finding]:
    """Look at what a service that starts should warn of; return what is not right."""
    findings = (
        signing_key(settings),
        search_index(app),
        timeouts(app, settings),
        clock_of(database.reader_of(app)),
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
        return Finding("secret", OK, f"Keys come from {settings.jwt_key_ring}.")
    key = settings.jwt_secret_key
    advice = (
        'Make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
    )
    if not key and settings.embedded:
        return Finding("secret", OK, "serve makes a signing key.")
    if not key:
        return Finding(
            "secret", ERROR, "CAREERS_USERS_JWT_SECRET_KEY is not set.", advice
        )
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


# ----------------------------------------------------------------- files, disk, proxy


def files(settings: Settings) -> Finding:
    """Look who may read and write the database's files; SQLite only."""
    if not settings.is_sqlite:
        return Finding("files", OK, "Nothing is kept here.")
    folder = _data_dir(settings)
    if _is_fresh(settings):
        return Finding("files", OK, "Nothing is there yet.")
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


def disk(settings: Settings) -> Finding:
    """Look how much room there is; of PostgreSQL's disk nothing is known here."""
    if not settings.is_sqlite:
        return Finding("disk", OK, "PostgreSQL's disk can't be seen from here.")
    return _disk(_data_dir(settings))


def disk_of(engine: Engine) -> Finding:
    """The same, of the database that an engine reaches."""
    url = engine.url
    if url.get_backend_name() != "sqlite":
        return Finding("disk", OK, "PostgreSQL's disk can't be seen from here.")
    return _disk(Path(str(url.database)).parent)


def _disk(folder: Path) -> Finding:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
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
    if trusted == "*":
        return Finding(
            "proxy",
            WARNING,
            "Everybody's forwarding headers are believed, and clients can forge them.",
            "Set CAREERS_USERS_TRUSTED_PROXY to the proxy's address.",
        )
    try:
        ip_address(trusted)
    except ValueError:
        return Finding(
            "proxy",
            ERROR,
            f"CAREERS_USERS_TRUSTED_PROXY is no address: {trusted}.",
            "Set it to the address from which the proxy connects, such as 127.0.0.1.",
        )
    return Finding("proxy", OK, f"{trusted} is trusted to name the clients.")


# --------------------------------------------------------------------------- database


def _database(app: Flask) -> Finding:
    with database.reader_of(app).connect() as connection:
        if connection.dialect.name == "sqlite":
            version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
        else:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
        return Finding("database", OK, f"{connection.dialect.name} {version} answers.")


def _migrations(app: Flask, settings: Settings) -> Finding:
    mistake = schema_version.mistake(app)
    if mistake is None:
        return Finding("migrations", OK, "The schema is the one this version needs.")
    if settings.embedded:
        return Finding("migrations", WARNING, mistake, "serve does it at its start.")
    return Finding("migrations", ERROR, mistake, "Run: careers-users db upgrade")


def search_index(app: Flask) -> Finding:
    """Look whether searches have an index; PostgreSQL may be without pg_trgm."""
    with database.reader_of(app).connect() as connection:
        if connection.dialect.name == "sqlite":
            return Finding("search", OK, "Searches use the trigram index.")
        has_index = connection.exec_driver_sql(
            "SELECT to_regclass('ix_users_search_text_trgm') IS NOT NULL"
        ).scalar_one()
    if has_index:
        return Finding("search", OK, "Searches use the trigram index.")
    return Finding(
        "search",
        WARNING,
        "The database has no pg_trgm index: searches read the whole users table.",
        "docs/deployment.md says how to add it.",
    )


def timeouts(app: Flask, settings: Settings) -> Finding:
    """Look whether reads end in time; through PgBouncer the role must see to it."""
    if settings.is_sqlite or not settings.db_pgbouncer:
        return Finding("timeouts", OK, "Every connection is told them.")
    with database.reader_of(app).connect() as connection:
        limit = connection.exec_driver_sql("SHOW statement_timeout").scalar_one()
    if limit != "0":
        return Finding("timeouts", OK, f"The role's reads take {limit} at most.")
    return Finding(
        "timeouts",
        WARNING,
        "Through PgBouncer reads have the role's statement_timeout, and it has none.",
        "Run deploy/postgresql.sql, or: ALTER ROLE ... SET statement_timeout = '30s'.",
    )


def clock_of(engine: Engine) -> Finding:
    """Compare our clock with the database's, or on SQLite with its newest rows.

    SQLite has no clock of its own. If rows come from the future, ours is behind, or was
    ahead when they were written; that it is ahead now can't be seen.
    """
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            return _newest_is_past(max(newest(connection), default=None))
        theirs = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return _compare_clocks(clock.utcnow() - theirs)


def _compare_clocks(difference: timedelta) -> Finding:
    seconds = difference.total_seconds()
    if abs(difference) <= CLOCK_TOLERANCE:
        return Finding("clock", OK, "Our clock and the database's agree.")
    direction = "ahead of" if seconds > 0 else "behind"
    return Finding(
        "clock",
        WARNING,
        f"Our clock is {abs(seconds):,.0f} s {direction} the database's: tokens are "
        "issued and expire at the wrong time.",
        "Let both machines keep time by NTP.",
    )


def _newest_is_past(newest: datetime | None) -> Finding:
    if newest is None or newest <= clock.utcnow() + CLOCK_TOLERANCE:
        return Finding(
            "clock", OK, "No row is from the future; more can't be told with SQLite."
        )
    seconds = (newest - clock.utcnow()).total_seconds()
    return Finding(
        "clock",
        WARNING,
        f"Our clock is {seconds:,.0f} s behind the newest row in the database: it is "
        "slow now, or was fast then. Tokens expire at the wrong time.",
        "Let this machine keep time by NTP.",
    )


def read_replica(app: Flask, settings: Settings) -> Finding:
    """Look whether reads that may lag can go to DATABASE_READ_URL, if it is set."""
    if settings.database_read_url is None:
        return Finding("replica", OK, "All is read from DATABASE_URL.")
    probe = database_engine.probing_engine(settings, REPLICA_SECONDS, settings.read_url)
    with database.reader_of(app).connect() as connection:
        ours = connection.exec_driver_sql(_IDENTITY).one()
    try:
        with probe.connect() as connection:
            theirs = connection.exec_driver_sql(_IDENTITY).one()
    except SQLAlchemyError as error:
        return Finding(
            "replica",
            WARNING,
            f"DATABASE_READ_URL can't be used ({errors.reason(error)}).",
            "Until it can, DATABASE_URL is read instead.",
        )
    if (theirs.cluster, theirs.name) != (ours.cluster, ours.name):
        return Finding(
            "replica",
            ERROR,
            "DATABASE_READ_URL leads to another database than DATABASE_URL.",
            "Set it to a streaming replica of that server, with the same name.",
        )
    if not theirs.is_standby:
        return Finding(
            "replica",
            WARNING,
            "DATABASE_READ_URL leads to no replica: that server is written to.",
            "Set it to a replica, or to nothing.",
        )
    return Finding("replica", OK, "Reads that may lag go to a replica.")


def _sign_ins(app: Flask, settings: Settings) -> Finding:
    """Look whether everybody seems to sign in from a machine of our own network."""
    with app.app_context():
        addresses = recent_addresses(_SIGN_INS)
    places = set(addresses)
    if len(addresses) >= _SIGN_INS_MIN and len(places) == 1 and _is_near(addresses[0]):
        return Finding(
            "sign-ins",
            WARNING,
            f"The last {len(addresses)} sign-ins all seem to come from {addresses[0]}, "
            "which looks like a proxy's address.",
            f"Set CAREERS_USERS_TRUSTED_PROXY={addresses[0]} if it is one."
            if settings.trusted_proxy is None
            else "See whether the proxy sends X-Forwarded-For.",
        )
    return Finding("sign-ins", OK, f"Looked at the last {len(addresses)} sign-ins.")


def _is_near(address: str) -> bool:
    try:
        return ip_address(address).is_private
    except ValueError:
        return False


def recent_addresses(number: int) -> list[str]:
    """Return from where the last sessions were opened."""
    rows = database.fetch_all(_ADDRESSES, {"number": number})
    return [row["address"] for row in rows]


def newest(connection: Connection) -> Sequence[Any]:
    """Return when the last user came and the last session was opened, if any."""
    return [moment for moment in connection.execute(_NEWEST).one() if moment]
