"""The preconditions of serving requests."""

import logging
import time

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from careers_users import database, keys
from careers_users.cli.console import EXIT_CONFIG, EXIT_UNAVAILABLE
from careers_users.database import errors, schema_version
from careers_users.extensions import db
from careers_users.mail import outbox, templates
from careers_users.mail.templates import TemplateMistake
from careers_users.observability import checks
from careers_users.observability.findings import ERROR, Finding
from careers_users.settings import Settings

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5


class NotReady(Exception):
    """The service can't be served like this; the message says what to do."""

    def __init__(self, message: str, exit_code: int = EXIT_UNAVAILABLE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def prepare(app: Flask, settings: Settings) -> None:
    """Make sure that `app` can serve: a signing key, a database, its schema.

    The embedded database is migrated here; any other is its operator's to migrate.
    Raises NotReady with a sentence that says what to do.
    """
    _refuse_errors(*checks.needed_to_serve(settings))
    with app.app_context():
        keys.current_keys().ring()  # Processes that are forked from this one have it.
    _require_templates(app, settings)
    prepare_database(app, settings)


def prepare_worker(app: Flask, settings: Settings) -> None:
    """Make sure that jobs can be run and mail can be sent; raises NotReady."""
    if outbox.is_on(app):  # Its links take the key.
        _refuse_errors(checks.signing_key(settings))
    _require_templates(app, settings)
    prepare_database(app, settings)


def _refuse_errors(*findings: Finding) -> None:
    for finding in findings:
        if finding.state == ERROR:
            raise NotReady(f"{finding.message} {finding.advice}".strip(), EXIT_CONFIG)


def _require_templates(app: Flask, settings: Settings) -> None:
    if not outbox.is_on(app):
        return
    try:
        templates.load(settings.mail_templates, settings.locales)
    except TemplateMistake as error:
        message = f"CAREERS_USERS_MAIL_TEMPLATES: {error}"
        raise NotReady(message, EXIT_CONFIG) from error


def prepare_database(app: Flask, settings: Settings) -> None:
    """Make sure that the database can be used; raise what `prepare` raises."""
    try:
        mistake = _first_look(app, settings)
        if mistake and settings.embedded:
            with app.app_context():
                upgrade()
            mistake = schema_version.mistake(database.reader(app))
        if mistake:
            raise NotReady(mistake)
        _report_newer_schema(app)
        for finding in checks.at_start(app, settings):
            log.warning("%s %s", finding.message, finding.advice)
    except SQLAlchemyError as error:
        raise NotReady(_complaint(settings, error)) from error
    finally:
        with app.app_context():
            db.engine.dispose()  # A server that forks after this needs none of them.


def _report_newer_schema(app: Flask) -> None:
    """Say so if the database has been migrated for a later version than this one."""
    revisions = schema_version.current(database.reader(app))
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
            return schema_version.mistake(database.reader(app))
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
    """Return whether it may only be early; a wrong password is not worth a wait."""
    return errors.kind(error).name in ("unreachable", "too many connections")


def _complaint(settings: Settings, error: SQLAlchemyError) -> str:
    url = settings.url.render_as_string(hide_password=True)
    return f"The database {url} can't be used. {errors.sentence(error)}"
