"""The command `careers-users`: serve, migrate, check, look after the data."""

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import click
from flask import Flask
from flask.cli import FlaskGroup

from careers_users import create_app, extensions, keys, server
from careers_users.auth.password_hashing import HashingBusy
from careers_users.cli import console, groups
from careers_users.cli.console import EXIT_CONFIG, EXIT_NO, EXIT_UNAVAILABLE
from careers_users.cli.startup import (
    NotReady,
    prepare,
    prepare_database,
    prepare_worker,
)
from careers_users.http.decorators import operation_of
from careers_users.http.refusals import refuser
from careers_users.jobs.runner import Runner
from careers_users.mail.sender import Sender
from careers_users.observability import checks, logs, metrics
from careers_users.observability import findings as observability_findings
from careers_users.observability.findings import Finding
from careers_users.server import Application
from careers_users.server.status import draining
from careers_users.settings import Settings, SettingsError

log = logging.getLogger(__name__)

# Calls that decide about restarts or report overload must be answered under it.
VITAL = [("GET", path) for path in ("/health/live", "/health/ready", "/metrics")]
_MARKS = {
    observability_findings.OK: "ok",
    observability_findings.WARNING: "warning",
    observability_findings.ERROR: "ERROR",
}


def _make_app() -> Flask:
    settings = _settings()
    app = create_app(settings)
    words = click.get_current_context().command_path.split()
    # The words of a command that does not exist are the program's name alone.
    needs_database = len(words) > 1 and words[1] not in ("db", "keys", "openapi")
    if settings.embedded and needs_database:  # Only we migrate it.
        with _stopping():
            prepare_database(app, settings)
    return app


@contextmanager
def _stopping() -> Iterator[None]:
    """Stop with a sentence if the service can't be used like this."""
    try:
        yield
    except NotReady as error:
        _stop(str(error), error.exit_code)


def _settings() -> Settings:
    logs.configure()  # So that warnings about the settings are logged.
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        _stop(str(error), EXIT_CONFIG)
    logs.configure(settings.log_format, settings.log_level)
    return settings


class _Main(FlaskGroup):
    """Flask's group, which answers --help also where the settings are wrong."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return our commands, without making an application to ask it for more."""
        return click.Group.list_commands(self, ctx)


@click.group(
    "careers-users",
    cls=_Main,
    create_app=_make_app,
    add_default_commands=False,
    add_version_option=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="careers_users")
def main() -> None:
    """Serve and look after the users service.

    Settings come from the environment and from a file `.env`; docs/configuration.md
    lists them. Exit codes are in docs/cli.md.
    """


# The application is always ours, and has no debugger.
main.params = [each for each in main.params if each.name not in ("app", "debug")]
for _command in groups.COMMANDS:
    main.add_command(_command)


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


@main.command(with_appcontext=False)
def worker() -> None:
    """Run the background jobs and send mail until SIGTERM or Ctrl-C.

    For instances under other servers than `serve`, which does both beside requests.
    """
    settings, stop = _settings(), threading.Event()
    app = create_app(replace(settings, metrics=False))
    with _stopping():
        prepare_worker(app, settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    log.info("Running background jobs")
    sender = Sender(app, stop)
    sender.start()
    Runner(app, stop).work()
    sender.join()
    log.info("Stopped running background jobs")


@main.command(with_appcontext=False)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
def check(as_json: bool, strict: bool) -> None:
    """Look whether the service can run well here, and say what to do if not.

    At settings, signing key, files, database, replica, migrations, clock, proxy, search
    index, background jobs, mail and disk. Changes nothing. Exits with 1 if there is an
    error.
    """
    findings = _findings()
    worst = {finding.state for finding in findings}
    failed = observability_findings.ERROR in worst or (
        strict and observability_findings.WARNING in worst
    )
    if as_json:
        report = {"ok": not failed, "checks": [vars(each) for each in findings]}
        click.echo(console.as_json(report))
    else:
        for finding in findings:
            click.echo(f"{_MARKS[finding.state]:8} {finding.name:10} {finding.message}")
            if finding.advice:
                click.echo(f"{'':19} -> {finding.advice}")
    raise SystemExit(EXIT_NO if failed else 0)


def _findings() -> list[Finding]:
    try:
        settings = Settings.from_env(create=False)
    except SettingsError as error:
        return [checks.settings_wrong(str(error))]
    return checks.all_of(create_app(settings), settings)


def run(settings: Settings) -> int:
    """Serve with these settings; return the exit code when it is over.

    Exits with a sentence on stderr if it can't be served like this.
    """
    # A thread without a connection of its own to use would only wait for the others;
    # one more runs the jobs, and some share one for mail.
    pool_size = max(settings.db_pool_size, settings.threads + 2)
    settings = replace(settings, db_pool_size=pool_size)
    # This process may become the parent of those that serve; it counts nothing.
    parent = create_app(replace(settings, metrics=False))
    with _stopping():
        prepare(parent, settings)
    try:
        with metrics.counting_together(settings) as ended:
            code = server.run(settings, partial(_served, settings, parent), ended)
    except server.ServerError as error:
        _stop(str(error), EXIT_UNAVAILABLE)
    if code == 0:
        log.info("Stopped")
    return code


def _served(settings: Settings, parent: Flask) -> Application:
    """Return the application to serve; run its jobs and send its mail beside it.

    Called after the fork: threads do not come along into a child. It uses the keys that
    `parent` has read, since their file may be damaged meanwhile.
    """
    app = create_app(settings)
    keys.share(parent, app)
    runner, sender = Runner(app, draining), Sender(app, draining)

    def close() -> None:
        runner.join()
        sender.join()
        with app.app_context():
            extensions.db.engine.dispose()

    runner.start()
    sender.start()
    return Application(
        app,
        refuser(settings.cors_origins),
        vital=VITAL,
        slow=calls_that_hash(app),
        close=close,
    )


def calls_that_hash(app: Flask) -> set[tuple[str, str]]:
    """Return method and path of the calls of `app` that keep a core busy."""
    return {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if HashingBusy in operation_of(app.view_functions[rule.endpoint]).refusals
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def _stop(message: str, code: int) -> NoReturn:
    click.echo(f"careers-users: {message}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main(prog_name="careers-users")
