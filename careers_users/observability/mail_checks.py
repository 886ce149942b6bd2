"""Looks whether mail can be sent, and whether it is."""

from datetime import timedelta

from flask import Flask
from sqlalchemy import Engine

from careers_users import clock, database
from careers_users.mail import outbox as outboxes
from careers_users.mail import rows, smtp, templates
from careers_users.mail.smtp import Later
from careers_users.mail.templates import TemplateMistake
from careers_users.observability.findings import ERROR, OK, WARNING, Finding
from careers_users.settings import Settings
from careers_users.settings.mail import FILE, OFF

# Mail that is due is claimed within two seconds, if any process sends mail.
UNCLAIMED_AFTER = timedelta(minutes=1)


def mail(settings: Settings) -> Finding:
    """Look whether mail can be sent: at templates, and whether the server takes us."""
    if settings.mail == OFF:
        return Finding("mail", OK, "No mail is sent.")
    try:
        templates.load(settings.mail_templates, settings.locales)
    except TemplateMistake as error:
        advice = "docs/mail.md says what templates look like."
        return Finding("mail", ERROR, str(error), advice)
    if settings.mail == FILE:
        where = f"Mail is written into {settings.data_dir / 'mail'}"
        if settings.embedded:
            return Finding("mail", OK, f"{where}.")
        return Finding(
            "mail",
            WARNING,
            f"{where} and reaches no recipient.",
            "Set CAREERS_USERS_MAIL to a mail server.",
        )
    server = smtp.Server.of(settings.mail)
    name = f"{server.host}:{server.port}"
    try:
        smtp.greet(server)
    except Later as error:
        advice = "docs/mail.md explains what stands in parentheses."
        message = f"The mail server {name} can't be used ({error})."
        return Finding("mail", WARNING, message, advice)
    return Finding("mail", OK, f"The mail server {name} takes our mail.")


def outbox(app: Flask) -> Finding:
    """Look whether mail waits that should have been sent."""
    return outbox_of(app, database.reader(app))


def outbox_of(app: Flask, engine: Engine) -> Finding:
    """Look the same up in the database that an engine reaches."""
    if not outboxes.is_on(app):
        return Finding("outbox", OK, "No mail is sent.")
    stands, now = rows.waiting(engine), clock.utcnow()
    since = stands.unclaimed_since
    if since is not None and now - since > UNCLAIMED_AFTER:
        return Finding(
            "outbox",
            WARNING,
            f"No process sends mail ({stands.number} waiting).",
            "careers-users serve sends it; under other servers, run careers-users "
            "worker.",
        )
    if stands.tried:
        return Finding(
            "outbox",
            WARNING,
            # Not how much: where clients can read this, one more after a reset would
            # tell them that there is such an account.
            f"Mail waits for another try; the last try failed: {stands.error}.",
            "careers-users mail list shows them; docs/mail.md explains the codes.",
        )
    return Finding("outbox", OK, "No mail waits for another try.")
