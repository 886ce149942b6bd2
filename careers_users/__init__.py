"""The users service of a careers and social web application."""

from flask import Flask

from careers_users import database, errors, groups, health, http, schema_version
from careers_users.auth import passwords
from careers_users.auth import routes as auth_routes
from careers_users.extensions import db, jwt, ma, migrate
from careers_users.follow import routes as follow_routes
from careers_users.profile import routes as profile_routes
from careers_users.settings import Settings
from careers_users.signing import ALGORITHM

__all__ = ["create_app"]


def create_app(settings: Settings) -> Flask:
    """Return the application with these settings.

    Nothing is connected or checked yet: `startup.prepare()` does that before serving.
    """
    app = http.Service("careers_users", static_folder=None)
    _configure(app, settings)
    database.init_app(app, settings)
    migrate.init_app(app, db, str(schema_version.migrations_directory()))
    jwt.init_app(app)
    ma.init_app(app)
    passwords.init_app(app, settings)
    http.init_app(app)
    errors.init_app(app)
    for blueprint in (health.bp, auth_routes.bp, profile_routes.bp, follow_routes.bp):
        app.register_blueprint(blueprint)
    for command in groups.COMMANDS:
        app.cli.add_command(command)
    return app


def _configure(app: Flask, settings: Settings) -> None:
    # No SECRET_KEY: it would only serve Flask's cookie sessions, and there are none.
    app.config.from_mapping(
        MAX_CONTENT_LENGTH=settings.max_request_body_size,
        PUBLIC_READS=settings.public_reads,
        JWT_SECRET_KEY=settings.jwt_secret_key,
        JWT_ALGORITHM=ALGORITHM,
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
    if not settings.jwt_secret_key:
        app.before_request(_refuse_without_key)


def _refuse_without_key() -> None:
    """Answer 503 to everything: an application made for `flask db upgrade` alone."""
    raise errors.Unavailable("CAREERS_USERS_JWT_SECRET_KEY is not set.")
