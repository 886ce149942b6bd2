"""The commands `auth ...`."""

import click

from careers_users.cli import accounts, console


@console.command("revoke")
@click.argument("user")
def revoke(user: str) -> None:
    """Sign USER (a username or e-mail address) out everywhere, at once."""
    account = accounts.find(user)
    ended = accounts.revoke_sessions(account["id"])
    click.echo(f"{account['username']} is signed out: {ended} sessions ended.")
