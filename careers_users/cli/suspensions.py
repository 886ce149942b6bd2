"""The commands `users suspend` and `users restore`."""

from datetime import UTC, datetime

import click
from flask_marshmallow.schema import Schema

from careers_users import clock
from careers_users.account import suspension
from careers_users.auth.suspension import REASONS
from careers_users.cli import accounts, console
from careers_users.cli.users import load, user_argument
from careers_users.validation.fields import Bio

_INTERRUPTED = "Interrupted. Run it again, and it goes on; `users show` says how it is."


class _NoteSchema(Schema):
    """A note for other moderators, by the rules of a bio."""

    note = Bio(load_default="")


def _future(value: str) -> datetime:
    """Return the time that is meant, in UTC where the text does not say otherwise."""
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter("Not a time like 2030-01-15T10:30:00Z.") from None
    if moment <= clock.utcnow():
        raise click.BadParameter(f"{moment:%Y-%m-%dT%H:%M:%SZ} is in the past.")
    return moment


@console.command("suspend", interrupted=_INTERRUPTED)
@user_argument
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    required=True,
    help="Told to the owner, at each login with the right password.",
)
@click.option(
    "--until",
    type=_future,
    metavar="TIME",
    help="When it ends by itself, such as 2030-01-15T10:30:00Z or 2030-01-15.",
)
@click.option("--note", default="", help="For moderators; `users show` shows it.")
def suspend(user: str, reason: str, until: datetime | None, note: str) -> None:
    """Suspend USER: end all sessions, refuse logins, and hide the account.

    The follows are parked, in both directions, and come back with `users restore` or
    at the time --until. To change reason, time or note, call it again.
    """
    said = load(_NoteSchema(), {"note": note})
    account = accounts.find(user)
    ended = suspension.suspend(
        account["id"],
        reason,
        until=until,
        note=said["note"] or None,
        progress=console.progress,
    )
    if ended is None:
        raise accounts.NoSuchAccount
    end = "" if until is None else f" until {until:%Y-%m-%dT%H:%M:%SZ}"
    name = account["username"]
    click.echo(f"Suspended {name} for {reason}{end}; {ended} sessions ended.")


@console.command("restore", interrupted=_INTERRUPTED)
@user_argument
def restore(user: str) -> None:
    """End the suspension of USER: show the account again, and let its owner sign in.

    The follows come back, less those with a block or with a user who is suspended or
    deleted.
    """
    account = accounts.find(user)
    if suspension.restore(account["id"], progress=console.progress):
        click.echo(f"Restored {account['username']}.")
    else:
        click.echo(f"{account['username']} is not suspended.")
