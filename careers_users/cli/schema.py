"""The commands `db ...`: Flask-Migrate's, which here ask and speak in sentences.

Both programs have this group: `careers-users db` and, in a checkout, `flask db`.
"""

from collections.abc import Callable
from typing import Any

import click
from flask.cli import with_appcontext
from flask_migrate.cli import db as flask_migrate_db  # type: ignore[import-not-found]

from careers_users import database
from careers_users.cli import console
from careers_users.database import schema_version

# The others are Flask-Migrate's as they are.
OURS = ("downgrade", "upgrade")


class _Group(click.Group):
    """Flask-Migrate's group, whose errors of the database are no tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command of the group."""
        with console.in_sentences(
            "Interrupted; revisions that were reported stay, run it again for the rest."
        ):
            return super().invoke(ctx)


db = _Group(
    "db",
    commands={
        name: command
        for name, command in flask_migrate_db.commands.items()
        if name not in OURS
    },
    callback=flask_migrate_db.callback,
    params=flask_migrate_db.params,
    help=flask_migrate_db.help,
)


def _command(function: Callable[..., Any], *options: click.Option) -> click.Command:
    """Make a function the command that Flask-Migrate has under its name."""
    theirs: click.Command = flask_migrate_db.commands[function.__name__]
    command = click.Command(
        function.__name__,
        callback=with_appcontext(function),
        params=[*theirs.params, *options],
        help=function.__doc__,
    )
    db.add_command(command)
    return command


def _run(name: str, options: dict[str, Any]) -> None:
    callback = flask_migrate_db.commands[name].callback
    assert callback is not None
    callback(**options)


def _revision() -> str:
    return ", ".join(schema_version.current(database.reader())) or "none"


def upgrade(**options: Any) -> None:
    """Bring the database to the newest schema, or to REVISION.

    Names each revision that it applies, or says that there is nothing to do. Run it as
    the owner of the tables.
    """
    before = _revision()
    _run("upgrade", options)
    if _revision() == before:
        click.echo(f"Nothing to do: the database is at revision {before}.", err=True)


def downgrade(*, yes: bool, **options: Any) -> None:
    """Take the database back to REVISION, by default by one.

    Asks first, since what only the newer revisions hold is thrown away. Run it as the
    owner of the tables, with the service stopped.
    """
    if not yes:
        question = (
            f"Take the database back from revision {_revision()} to "
            f"{options['revision']}, and throw away what only newer revisions hold?"
        )
        click.confirm(question, abort=True, err=True)
    _run("downgrade", options)


_command(upgrade)
_command(downgrade, click.Option(["--yes"], is_flag=True, help="Do not ask."))
