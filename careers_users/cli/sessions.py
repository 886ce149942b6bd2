"""The commands `auth ...`."""

import click

from careers_users.auth import pruning
from careers_users.cli import accounts, console


@console.command("prune-tokens")
def prune_tokens() -> None:
    """Delete expired sessions, revocations and counts of tries.

    They are harmless, and every now and then a logout or login deletes some; run this
    daily all the same, so that the tables stay small.
    """
    click.echo(f"Deleted {pruning.prune_tokens()} expired rows.")


@console.command("revoke")
@click.argument("user")
def revoke(user: str) -> None:
    """Sign USER (a username or e-mail address) out everywhere, at once."""
    account = accounts.find(user)
    ended = accounts.revoke_sessions(account["id"])
    click.echo(f"{account['username']} is signed out: {ended} sessions ended.")
