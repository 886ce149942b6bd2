"""The users service of a careers and social web application."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from flask import Blueprint, Flask

from careers_users import database, keys, models
from careers_users.account import recovery_routes, suspension
from careers_users.account import routes as account_routes
from careers_users.auth import (
    email_routes,
    jwks,
    letters,
    password_hashing,
    throttle,
)
from careers_users.auth import routes as auth_routes
from careers_users.auth import session_routes as sessions_routes
from careers_users.cli import groups
from careers_users.database import pruning, replica, schema_version
from careers_users.extensions import db, ma, migrate
from careers_users.follow import block_routes
from careers_users.follow import routes as follow_routes
from careers_users.http import (
    client_address,
    context,
    cors,
    errors,
    flask_app,
    link_page,
    unread_body,
)
from careers_users.http.openapi import page
from careers_users.jobs import runner
from careers_users.jobs.runner import Job
from careers_users.mail import outbox
from careers_users.observability import health, metrics, request_log
from careers_users.post_events import routes as activity_routes
from careers_users.profile import refold, search_places
from careers_users.profile import routes as profile_routes
from careers_users.settings import Settings
from careers_users.validation import password_blocklist

__all__ = ["create_app"]


def _deletion(
    name: str, column: Any, *, minutes: int = 60, days: str | None = None
) -> Job:
    return Job(name, timedelta(minutes=minutes), pruning.step(column, days))


_JOBS = (
    _deletion("expired-sessions", models.RefreshToken.expires_at),
    _deletion("expired-revocations", models.RevokedToken.expires_at),
    _deletion("expired-places", models.KnownPlace.expires_at),
    _deletion("expired-reservations", models.ReservedUsername.expires_at),
    _deletion("expired-attempts", models.Throttle.expires_at, minutes=10),
    _deletion(
        "old-security-events",
        models.SecurityEvent.created_at,
        days="AUDIT_RETENTION_DAYS",
    ),
    _deletion(
        "old-post-events",
        models.ActivityEvent.received_at,
        days="EVENTS_RETENTION_DAYS",
    ),
    _deletion("old-mail", models.Mail.created_at, days="MAIL_RETENTION_DAYS"),
    # A suspension ends within a minute of its time.
    Job("suspensions", timedelta(seconds=30), suspension.settle_some),
    # Versions before this one write old texts as long as they serve beside it.
    Job("search-texts", timedelta(hours=1), lambda: len(refold.refold_batch())),
)


def create_app(settings: Settings) -> Flask:
    """Return the application with these settings.

    Nothing is connected or checked yet: `startup.prepare()` does that before serving.
    """
    app = flask_app.Service("careers_users", static_folder=None)
    context.init_app(app)
    request_log.init_app(app)
    _configure(app, settings)
    database.init_app(app, settings)
    replica.init_app(app, settings)
    migrate.init_app(app, db, str(schema_version.migrations_directory()))
    keys.jwt.init_app(app)
    keys.init_app(app, settings)
    ma.init_app(app)
    hasher = password_hashing.init_app(app, settings)
    throttle.init_app(app, settings)
    password_blocklist.init_app(app, settings.password_blocklist)
    runner.init_app(app, *_JOBS)
    outbox.init_app(app, settings, letters.COMPOSERS)
    search_places.init_app(app, settings)
    metrics.init_app(app, settings, hasher.watch)
    flask_app.init_app(app)
    cors.init_app(app, settings.cors_origins)
    errors.init_app(app)
    unread_body.init_app(app)
    health.init_app(app, settings)
    _register(app, settings)
    client_address.init_app(app, settings)
    return app


def _register(app: Flask, settings: Settings) -> None:
    for blueprint in (
        health.bp,
        jwks.bp,
        auth_routes.bp,
        sessions_routes.bp,
        profile_routes.bp,
        follow_routes.bp,
        block_routes.bp,
        activity_routes.bp,
        account_routes.bp,
        *_of_mail(app, settings),
    ):
        app.register_blueprint(blueprint)
    if settings.docs:
        app.register_blueprint(page.bp)
    for command in groups.COMMANDS:
        app.cli.add_command(command)


def _of_mail(app: Flask, settings: Settings) -> Iterator[Blueprint]:
    """Yield the calls that need mail, as far as the settings turn them on."""
    if outbox.is_on(app):
        yield from (link_page.bp, recovery_routes.bp)
        if settings.email_verification != "off":
            yield email_routes.verification
        if settings.email_change == "confirm":
            yield email_routes.change


def _configure(app: Flask, settings: Settings) -> None:
    is_mail_on = settings.mail != "off"
    # No SECRET_KEY: it would only serve Flask's cookie sessions, and there are none.
    app.config.from_mapping(
        MAX_CONTENT_LENGTH=settings.max_request_body_size,
        PUBLIC_READS=settings.public_reads,
        EVENTS_TOKENS=settings.events_tokens,
        EVENTS_RETENTION_DAYS=settings.events_retention_days,
        REFRESH_ROTATION=settings.refresh_rotation,
        REFRESH_REUSE_WINDOW=settings.refresh_reuse_window,
        USERNAME_RESERVED_DAYS=settings.username_reserved_days,
        FOLLOWS_MAX=settings.follows_max,
        AUDIT_RETENTION_DAYS=settings.audit_retention_days,
        # Without mail neither is there.
        EMAIL_VERIFICATION=settings.email_verification if is_mail_on else "off",
        EMAIL_CHANGE=settings.email_change if is_mail_on else "direct",
        EMAIL_PRIVATE_DOMAINS=settings.email_private_domains,
        PASSWORD_MIN_LENGTH=settings.password_min_length,
        JWT_SECRET_KEY=settings.jwt_secret_key,
        JWT_KEY_RING=settings.jwt_key_ring,
        JWT_ENCODE_ISSUER=settings.jwt_issuer,
        JWT_DECODE_ISSUER=settings.jwt_issuer,
        JWT_ENCODE_AUDIENCE=settings.jwt_audience,
        JWT_DECODE_AUDIENCE=settings.jwt_audience,
        # Tokens travel in the Authorization header only, so no CSRF claim is needed,
        # and a "not before" would trip over instances whose clocks differ.
        JWT_TOKEN_LOCATION=("headers",),
        JWT_COOKIE_CSRF_PROTECT=False,
        JWT_ENCODE_NBF=False,
    )
    if not settings.jwt_secret_key and not settings.jwt_key_ring:
        app.before_request(_refuse_without_key)


def _refuse_without_key() -> None:
    """Answer 503 to everything: an application made for `flask db upgrade` alone."""
    raise errors.Unavailable("CAREERS_USERS_JWT_SECRET_KEY is not set.")
