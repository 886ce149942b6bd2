"""Checks of the database: whether it answers, and whether it suits this version."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from flask import Flask
from sqlalchemy import BigInteger, Connection, Engine, bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError

from careers_users import clock, database
from careers_users.database import errors, schema_version
from careers_users.jobs import leases, runner
from careers_users.models import RefreshToken, User
from careers_users.observability.findings import ERROR, OK, WARNING, Finding
from careers_users.settings import Settings

_ADDRESSES = database.Query(
    select(RefreshToken.address)
    .order_by(RefreshToken.created_at.desc())
    .limit(bindparam("number", type_=BigInteger()))
)
_NEWEST = select(
    select(func.max(User.created_at)).scalar_subquery().label("user"),
    select(func.max(RefreshToken.created_at)).scalar_subquery().label("session"),
)
# Tokens are good for a little less or more than they should be, by as much.
CLOCK_TOLERANCE = timedelta(seconds=30)
# Sign-ins looked at, to see whether they all seem to come from one place.
_SIGN_INS = 50
_SIGN_INS_MIN = 10
# How long a replica is waited for.
REPLICA_SECONDS = 2
_IDENTITY = (
    "SELECT system_identifier AS cluster, current_database() AS name,"
    " pg_is_in_recovery() AS is_standby FROM pg_control_system()"
)


def reached(app: Flask) -> Finding:
    """Look whether the database answers."""
    with database.reader(app).connect() as connection:
        if connection.dialect.name == "sqlite":
            version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
        else:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
        return Finding("database", OK, f"{connection.dialect.name} {version} answers.")


def migrations(app: Flask, settings: Settings) -> Finding:
    """Look whether the schema is the one this version needs."""
    mistake = schema_version.mistake(database.reader(app))
    if mistake is None:
        return _perhaps_newer(database.reader(app))
    if settings.embedded:
        return Finding("migrations", WARNING, mistake, "serve does it at its start.")
    return Finding("migrations", ERROR, mistake, "Run: careers-users db upgrade")


def _perhaps_newer(engine: Engine) -> Finding:
    for revision in filter(schema_version.is_newer, schema_version.current(engine)):
        return Finding(
            "migrations",
            WARNING,
            f"The database is at revision {revision}, which is newer than this version "
            f"({schema_version.head()}).",
            "Right during an upgrade, and after one has been taken back; else install "
            "the version that it was migrated for.",
        )
    return Finding("migrations", OK, "The schema is the one this version needs.")


def triggers(engine: Engine) -> Finding:
    """Look whether the triggers are there that keep the search index and the total."""
    missing = schema_version.missing_triggers(engine)
    if not missing:
        return Finding("triggers", OK, "All triggers are there.")
    return Finding(
        "triggers",
        ERROR,
        f"Triggers on the table users are missing: {', '.join(missing)}. New users are "
        "not found, or not counted.",
        "Restore a backup, or make them as the migrations do; then run: careers-users "
        "users recount",
    )


def search_index(app: Flask) -> Finding:
    """Look whether searches have an index; PostgreSQL may be without pg_trgm."""
    with database.reader(app).connect() as connection:
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
    with database.reader(app).connect() as connection:
        limit = connection.exec_driver_sql("SHOW statement_timeout").scalar_one()
    if limit != "0":
        return Finding("timeouts", OK, f"The role's reads take {limit} at most.")
    return Finding(
        "timeouts",
        WARNING,
        "Through PgBouncer reads have the role's statement_timeout, and it has none.",
        "Run deploy/postgresql.sql, or: ALTER ROLE ... SET statement_timeout = '30s'.",
    )


def jobs(app: Flask) -> Finding:
    """Look whether the background jobs are run."""
    return jobs_of(app, database.reader(app))


def jobs_of(app: Flask, engine: Engine) -> Finding:
    """Look whether jobs are late, by the database that an engine reaches."""
    late = runner.late(app, leases.states(engine))
    if not late:
        return Finding("jobs", OK, "No background job is late.")
    return Finding(
        "jobs",
        WARNING,
        " ".join(late),
        "careers-users serve runs them; under other servers, run careers-users worker.",
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
    probe = database.probing_engine(settings, REPLICA_SECONDS, settings.read_url)
    with database.reader(app).connect() as connection:
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


def sign_ins(app: Flask, settings: Settings) -> Finding:
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
            if not settings.trusted_proxy
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
    rows = _ADDRESSES.all(number=number)
    return [row["address"] for row in rows]


def newest(connection: Connection) -> Sequence[Any]:
    """Return when the last user came and the last session was opened, if any."""
    return [moment for moment in connection.execute(_NEWEST).one() if moment]
