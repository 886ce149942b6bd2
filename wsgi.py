"""The application for WSGI servers and the flask command; run it to serve."""

import os
import sys

import click
from flask.cli import load_dotenv

from careers_users import create_app
from careers_users.__main__ import run
from careers_users.cli.console import EXIT_CONFIG
from careers_users.cli.startup import NotReady, prepare
from careers_users.observability import logs
from careers_users.settings import SettingsError
from config import Config


def is_to_serve() -> bool:
    """Return whether a server imports this; of flask's commands, `run` is one."""
    if os.environ.get("FLASK_RUN_FROM_CLI") != "true":
        return True
    return click.get_current_context().info_name == "run"


try:
    logs.configure()  # So that warnings about the settings are logged.
    if __name__ == "__main__":
        load_dotenv()  # The commands read that file too.
    settings = Config.from_env()
    logs.configure(settings.log_format, settings.log_level)
    if __name__ == "__main__":
        sys.exit(run(settings))
    app = create_app(settings)
    if is_to_serve():
        prepare(app, settings)
except (SettingsError, NotReady) as error:
    click.echo(f"careers-users: {error}", err=True)
    sys.exit(error.exit_code if isinstance(error, NotReady) else EXIT_CONFIG)
