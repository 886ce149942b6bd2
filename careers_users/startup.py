"""What must be true before the service takes requests."""

import logging
import time

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from careers_users import database, meters, schema_version, signing
from careers_users.extensions import db
from careers_users.keyring import KeyRingError
from careers_users.settings import Settings

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
# What a server says that is there and will take connections later.
_LATER = ("the database system is", "too many", "remaining connection slots")


class NotReady(Exception):
    """The service can't be served like this; the message says what to do."""


def prepare(app: Flask, settings: Settings) -> None:
    """Make sure that `app` can serve: a signing key, a database, its schema.

    The embedded database is migrated here; any other is its operator's to migrate.
    Raises NotReady with a sentence that says what to do.
    """
    if not settings.jwt_secret_key and not settings.jwt_key_ring:
        raise NotReady(
            "With a DATABASE_URL, CAREERS_USERS_JWT_SECRET_KEY must be set too, to the "
            "same value for all instances; make one with: "
            'python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    if settings.metrics and not meters.AVAILABLE:
        raise NotReady(
            "CAREERS_USERS_METRICS is on, but prometheus-client is not installed; "
            "install it with: pip install 'careers_users[metrics]'"
        )
    try:
        with app.app_context():
            signing.keys().ring().signing_key()
    except KeyRingError as error:
        raise NotReady(str(error)) from error
    try:
        mistake = _first_look(app, settings)
        if mistake and settings.embedded:
            with app.app_context():
                upgrade()
            mistake = schema_version.mistake(app)
        if mistake:
            raise NotReady(mistake)
        _report_newer_schema(app)
        _report_search(app)
    except SQLAlchemyError as error:
        raise NotReady(_complaint(settings, error)) from error
    finally:
        with app.app_context():
            # A server forks after this; its processes must not share connections.
            db.engine.dispose()


def _report_newer_schema(app: Flask) -> None:
    """Say so if the database has been migrated for a later version than this one."""
    with app.app_context():
        revisions = schema_version.current(database.reader())
    for revision in filter(schema_version.is_newer, revisions):
        log.warning(
            "The database is at revision %s, which is newer than this version (%s): "
            "right during an upgrade, and after one has been taken back.",
            revision,
            schema_version.head(),
        )


def _first_look(app: Flask, settings: Settings) -> str | None:
    """Return what is wrong with the schema; wait for a database that is not up yet.

    Machines start their services in any order, and a database may be failing over.
    """
    deadline = time.monotonic() + settings.db_start_timeout
    said = False
    while True:
        try:
            return schema_version.mistake(app)
        except OperationalError as error:
            is_late = time.monotonic() >= deadline
            if is_late or settings.is_sqlite or not _may_come(error):
                raise
            if not said:
                complaint = _complaint(settings, error)
                log.warning("%s Waiting %d s.", complaint, settings.db_start_timeout)
                said = True
        time.sleep(RETRY_SECONDS)


def _may_come(error: OperationalError) -> bool:
    """Tell whether nobody answers yet; a wrong password, say, is not worth a wait."""
    message = str(error.orig)
    return "FATAL" not in message or any(words in message for words in _LATER)


def _complaint(settings: Settings, error: SQLAlchemyError) -> str:
    url = settings.url.render_as_string(hide_password=True)
    reason = str(getattr(error, "orig", None) or error).strip()
    return f"The database {url} can't be used: {reason}"


def _report_search(app: Flask) -> None:
    """Say so if searches will have to read all users."""
    with app.app_context(), database.reader().connect() as connection:
        if connection.dialect.name != "postgresql":
            return
        has_index = connection.exec_driver_sql(
            "SELECT to_regclass('ix_users_search_text_trgm') IS NOT NULL"
        ).scalar_one()
    if not has_index:
        log.warning(
            "The database has no pg_trgm index: searches read the whole users table. "
            "docs/deployment.md says how to add it."
        )
