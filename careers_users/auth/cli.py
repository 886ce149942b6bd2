"""The commands `flask auth ...`."""

import click
from flask.cli import AppGroup

from careers_users.auth import service

auth = AppGroup("auth", help="Look after sessions and tokens.")


@auth.command("prune-tokens")
def prune_tokens() -> None:
    """Delete expired sessions, revocations and counts of tries.

    They are harmless, and every now and then a logout or login deletes some; run this
    daily all the same, so that the tables stay small.
    """
    click.echo(f"Deleted {service.prune_tokens()} expired rows.")
