"""The command `careers-users`: serve, migrate, look after the data."""

import sys
from dataclasses import replace
from typing import Any, NoReturn

import click
from flask import Flask
from flask.cli import FlaskGroup

from careers_users import create_app, logs, metrics, server
from careers_users.settings import Settings, SettingsError
from careers_users.startup import NotReady, prepare

# sysexits.h: wrong configuration, and a service that is not available.
EXIT_CONFIG = 78
EXIT_UNAVAILABLE = 69


def _make_app() -> Flask:
    return create_app(_settings())


def _settings() -> Settings:
    logs.configure()  # For what there is to say about the settings themselves.
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        _stop(str(error), EXIT_CONFIG)
    logs.configure(settings.log_format, settings.log_level)
    return settings


@click.group(
    "careers-users",
    cls=FlaskGroup,
    create_app=_make_app,
    add_default_commands=False,
    add_version_option=False,
    help="Serve and look after the users service. Settings come from the environment; "
    "see docs/configuration.md.",
)
@click.version_option(package_name="careers_users")
def main() -> None:
    """Run a command."""


@main.command(with_appcontext=False)
@click.option("--host", help="Address to listen on (HOST, default 127.0.0.1).")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on (PORT, default 8000); 0 is any that is free.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    help="Requests that one process works on at once (CAREERS_USERS_THREADS).",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    help="Processes that share the port (CAREERS_USERS_PROCESSES).",
)
def serve(**options: Any) -> None:
    """Serve the API until SIGTERM or Ctrl-C, then finish what has been begun."""
    given = {name: value for name, value in options.items() if value is not None}
    raise SystemExit(run(replace(_settings(), **given)))


def run(settings: Settings) -> int:
    """Serve with these settings; return the exit code when it is over.

    Exits with a sentence on stderr if it can't be served like this.
    """
    # A thread without a connection of its own to use would only wait for the others.
    pool_size = max(settings.db_pool_size, settings.threads)
    settings = replace(settings, db_pool_size=pool_size)
    try:
        # This process may become the parent of those that serve; it counts nothing.
        prepare(create_app(replace(settings, metrics=False)), settings)
        with metrics.counting_together(settings) as ended:
            return server.run(settings, lambda: create_app(settings), ended)
    except NotReady as error:
        _stop(str(error), EXIT_UNAVAILABLE)
    except server.ServerError as error:
        _stop(str(error), EXIT_UNAVAILABLE)


def _stop(message: str, code: int) -> NoReturn:
    click.echo(f"careers-users: {message}", err=True)
    sys.exit(code)
