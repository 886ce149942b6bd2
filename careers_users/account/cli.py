"""The command `careers-users users audit`."""

import click
from flask.cli import with_appcontext

from careers_users.account import queries
from careers_users.audit import queries as audit


@click.command("audit")
@click.argument("user")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="How many events at most.",
)
@with_appcontext
def audit_user(user: str, limit: int) -> None:
    """Show what happened to an account, newest first.

    USER is a username or an e-mail address; or, of an account that was deleted, its
    number.
    """
    user_id = queries.user_id(user)
    if user_id is None and user.isascii() and user.isdigit() and len(user) < 19:
        user_id = int(user)
    if user_id is None:
        raise click.ClickException(f"There is no user {user}.")
    events = audit.newest(user_id, limit)
    for event in events:
        details = " ".join(
            f"{name}={value}" for name, value in event["details"].items()
        )
        moment = event["created_at"].strftime("%Y-%m-%dT%H:%M:%SZ")
        parts = (moment, event["event"], event["address"], details, event["device"])
        click.echo("  ".join(part for part in parts if part))
    if not events:
        click.echo("Nothing is recorded.")
