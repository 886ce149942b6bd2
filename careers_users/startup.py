"""What must be true before the service takes requests."""

import logging

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy.exc import SQLAlchemyError

from careers_users import database, meters, schema_version
from careers_users.extensions import db
from careers_users.settings import Settings

log = logging.getLogger(__name__)


class NotReady(Exception):
    """The service can't be served like this; the message says what to do."""


def prepare(app: Flask, settings: Settings) -> None:
    """Make sure that `app` can serve: a signing key, a database, its schema.

    The embedded database is migrated here; any other is its operator's to migrate.
    Raises NotReady with a sentence that says what to do.
    """
    if not settings.jwt_secret_key:
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
        mistake = schema_version.mistake(app)
        if mistake and settings.embedded:
            with app.app_context():
                upgrade()
            mistake = schema_version.mistake(app)
        if mistake:
            raise NotReady(mistake)
        _report_search(app)
    except SQLAlchemyError as error:
        url = settings.url.render_as_string(hide_password=True)
        reason = str(getattr(error, "orig", None) or error).strip()
        raise NotReady(f"The database {url} can't be used: {reason}") from error
    finally:
        with app.app_context():
            # A server forks after this; its processes must not share connections.
            db.engine.dispose()


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
