"""The commands `users audit` and `users delete`."""

import click

from careers_users import terminal
from careers_users.account import queries, service
from careers_users.auth import accounts


@terminal.command("audit")
@click.argument("user")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="How many events at most.",
)
def audit_user(user: str, limit: int) -> None:
    """Show what happened to an account, newest first.

    USER is a username or an e-mail address; or, of an account that was deleted, its
    number.
    """
    user_id = queries.user_id(user)
    if user_id is None and user.isascii() and user.isdigit() and len(user) < 19:
        user_id = int(user)
    if user_id is None:
        raise accounts.NoSuchAccount
    events = queries.newest_events(user_id, limit)
    for event in events:
        details = " ".join(
            f"{name}={value}" for name, value in event["details"].items()
        )
        moment = event["created_at"].strftime("%Y-%m-%dT%H:%M:%SZ")
        parts = (moment, event["event"], event["address"], details, event["device"])
        click.echo("  ".join(part for part in parts if part))
    if not events:
        click.echo("Nothing is recorded.")


@terminal.command("delete")
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_user(user: str, yes: bool) -> None:
    """Delete USER with all they follow and who follows them; for good."""
    account = accounts.find(user)
    name = account["username"]
    if not yes:
        question = f"Delete {name} ({account['email']}, number {account['id']})?"
        click.confirm(question, abort=True, err=True)
    if not service.delete_account(account["id"], by="operator"):
        raise accounts.NoSuchAccount
    click.echo(f"Deleted {name}.")
