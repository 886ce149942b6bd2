"""The commands `db ...`: Flask-Migrate's, which here speak in sentences."""

from typing import Any

import click
from flask.cli import with_appcontext
from flask_migrate.cli import db as flask_migrate_db  # type: ignore[import-not-found]

from careers_users import database
from careers_users.cli import console
from careers_users.database import schema_version


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
    commands={**flask_migrate_db.commands},
    callback=flask_migrate_db.callback,
    params=flask_migrate_db.params,
    help=flask_migrate_db.help,
)
_UPGRADE: click.Command = flask_migrate_db.commands["upgrade"]


@with_appcontext
def _upgrade(**options: Any) -> None:
    before = schema_version.current(database.reader())
    assert _UPGRADE.callback is not None
    _UPGRADE.callback(**options)
    if schema_version.current(database.reader()) == before:
        names = ", ".join(before) or "none"
        click.echo(f"Nothing to do: the database is at revision {names}.", err=True)


db.add_command(
    click.Command(
        "upgrade", callback=_upgrade, params=_UPGRADE.params, help=_UPGRADE.help
    )
)
