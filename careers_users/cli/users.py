"""The commands `users ...` for one account, and their list."""

import itertools
from typing import Any

import click
from marshmallow import ValidationError
from sqlalchemy import RowMapping

from careers_users.account import queries, service
from careers_users.auth.password_hashing import scheme
from careers_users.auth.schemas import NewPasswordSchema, RegisterSchema
from careers_users.cli import accounts, console, user_queries
from careers_users.database import Row

_REGISTER = RegisterSchema()
_NEW_PASSWORD = NewPasswordSchema()

user_argument = click.argument("user")
json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
stdin_option = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of stdin; otherwise it is asked for.",
)


def load(schema: Any, data: dict[str, Any]) -> dict[str, Any]:
    """Return what a schema loads; `Stop` with all mistakes in one line."""
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        raise console.Stop(console.mistakes(error.messages)) from error
    return loaded


@console.command("create")
@click.argument("username")
@click.argument("email")
@click.option("--first-name", default="")
@click.option("--last-name", default="")
@click.option("--bio", default="")
@click.option("--avatar", default="", help="The URL of a picture.")
@stdin_option
@json_option
def create(password_stdin: bool, as_json: bool, **fields: str) -> None:
    """Create an account for USERNAME, who has the address EMAIL.

    By the rules of registration.
    """
    password = console.read_password(from_stdin=password_stdin)
    fields |= {"password": password, "password_confirm": password}
    user = accounts.create(load(_REGISTER, fields))
    if as_json:
        click.echo(console.as_json(_shown(user)))
    else:
        click.echo(f"Created {user['username']}, number {user['id']}.")


@console.command("show")
@user_argument
@json_option
def show(user: str, as_json: bool) -> None:
    """Show what is known of USER (a username or e-mail address).

    `sessions` are those that are signed in now; `status` is active, inactive
    (deactivated) or suspended, and `parked_follows` are those that come back with
    `users restore`. The password's hash is not shown, only what made it: `argon2id`,
    the earlier service (`django`), or none (`unusable`).
    """
    found = user_queries.details(accounts.find(user)["id"])
    if found is None:
        raise accounts.NoSuchAccount
    shown = _shown(found) | {"status": _status(found)}
    shown["password"] = scheme(shown.pop("password_hash")) or "unknown"
    if as_json:
        click.echo(console.as_json(shown))
        return
    for name, value in shown.items():
        text = "" if value is None else console.printable(str(value))
        click.echo(f"{name:16} {text}")


@console.command("list")
@click.option("--search", default="", help="Words of names or bio, or an address.")
@click.option("--inactive", is_flag=True, help="Only those that are deactivated.")
@click.option(
    "--status",
    type=click.Choice(user_queries.STATUSES),
    help="Only those of one status; suspended ones are not among the others.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="At most so many; 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_users(
    search: str, inactive: bool, status: str | None, limit: int, as_json: bool
) -> None:
    """List accounts, the oldest first."""
    rows = user_queries.listing(search=search, inactive=inactive, status=status)
    for row in itertools.islice(rows, limit or None):
        if as_json:
            click.echo(console.as_json(_shown(row) | {"status": _status(row)}))
            continue
        state = _status(row)
        click.echo(f"{row['id']:>8}  {row['username']:30}  {state:9}  {row['email']}")
    if next(rows, None) is not None:
        click.echo(f"There are more than {limit}: see --limit.", err=True)


@console.command("deactivate")
@user_argument
def deactivate(user: str) -> None:
    """Shut the account of USER: sign them out, and refuse sign-ins.

    The profile stays visible, as does everything else; `activate` undoes it.
    """
    account = accounts.find(user)
    ended = accounts.deactivate(account["id"])
    click.echo(f"Deactivated {account['username']}; {ended} sessions ended.")


@console.command("activate")
@user_argument
def activate(user: str) -> None:
    """Let USER sign in again after `deactivate`."""
    account = accounts.find(user)
    accounts.activate(account["id"])
    click.echo(f"Activated {account['username']}.")


@console.command("set-password")
@user_argument
@stdin_option
def set_password(user: str, password_stdin: bool) -> None:
    """Give USER a new password, and sign them out everywhere."""
    account = accounts.find(user)
    password = console.read_password(from_stdin=password_stdin)
    loaded = load(
        _NEW_PASSWORD,
        {
            "password": password,
            "username": account["username"],
            "email": account["email"],
        },
    )
    ended = accounts.set_password(account["id"], loaded["password"])
    click.echo(
        f"Changed the password of {account['username']}; {ended} sessions ended."
    )


def _status(row: Row) -> str:
    if row["suspended_at"] is not None:
        return "suspended"
    return "active" if row["is_active"] else "inactive"


def _shown(row: Row | RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in row if name != "token_version"}


@console.command("audit")
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
    events = queries.some_events(user_id, limit)
    for event in events:
        details = " ".join(
            f"{name}={value}" for name, value in event["details"].items()
        )
        moment = event["created_at"].strftime("%Y-%m-%dT%H:%M:%SZ")
        parts = (moment, event["event"], event["address"], details, event["device"])
        click.echo("  ".join(part for part in parts if part))
    if not events:
        click.echo("Nothing is recorded.")


@console.command("delete")
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
