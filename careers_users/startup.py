"""What must be true before the service takes requests."""

import logging

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy.exc import SQLAlchemyError

from careers_users import checks, schema_version, troubles
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
    try:
        mistake = schema_version.mistake(app)
        if mistake and settings.embedded:
            with app.app_context():
                upgrade()
            mistake = schema_version.mistake(app)
        if mistake:
            raise NotReady(mistake)
        for finding in checks.at_start(app, settings):
            log.warning("%s %s", finding.message, finding.advice)
    except SQLAlchemyError as error:
        url = settings.url.render_as_string(hide_password=True)
        what = troubles.sentence(error)
        raise NotReady(f"The database {url} can't be used. {what}") from error
    finally:
        with app.app_context():
            # A server forks after this; its processes must not share connections.
            db.engine.dispose()
