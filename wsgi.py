"""The application for WSGI servers and the flask command; run it to serve."""

import os

from careers_users import create_app
from careers_users.__main__ import run
from careers_users.cli.startup import NotReady, prepare
from careers_users.observability import logs
from careers_users.settings import SettingsError
from config import Config

try:
    logs.configure()  # So that warnings about the settings are logged.
    settings = Config.from_env()
    logs.configure(settings.log_format, settings.log_level)
    if __name__ == "__main__":
        raise SystemExit(run(settings))
    app = create_app(settings)
    # A server imports this to serve; `flask db upgrade` does so to get there.
    if os.environ.get("FLASK_RUN_FROM_CLI") != "true":
        prepare(app, settings)
except (SettingsError, NotReady) as error:
    raise SystemExit(f"careers-users: {error}") from error
