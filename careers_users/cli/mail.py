"""The commands `mail ...`."""

from datetime import timedelta
from typing import Any

import click
from flask.cli import AppGroup

from careers_users import clock
from careers_users.cli import console
from careers_users.keys import KeyRingError
from careers_users.mail import message, outbox, rows, templates, transport
from careers_users.mail.outbox import Letter, MailRow
from careers_users.mail.purposes import PURPOSES
from careers_users.mail.rows import STATES
from careers_users.mail.smtp import Later, Refused
from careers_users.mail.templates import TemplateMistake, Templates
from careers_users.settings import Settings
from careers_users.settings.mail import FILE
from careers_users.validation.email_address import is_email

mail = AppGroup("mail", help="Look after the mail that the service sends.")
_EXAMPLE_ADDRESS = "ada@example.com"
_EXAMPLE_TOKEN = "TOKEN"


@console.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only mail in this state.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, help="Rows (default 50)."
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def list_mail(state: str | None, limit: int, as_json: bool) -> None:
    """List the mail of the last 30 days, the newest first.

    No addresses: those are in the accounts. A mail is waiting, sent, failed (it can't
    be delivered) or dropped (nothing was to be sent).
    """
    found = rows.listed(state, limit)
    if as_json:
        click.echo(console.as_json(found))
        return
    for row in found:
        user = "no user" if row["user_id"] is None else f"user {row['user_id']}"
        notes = [f"{row['created_at']:%Y-%m-%d %H:%M:%S}", user, _tries(row["tries"])]
        if row["error"]:
            notes.append(row["error"])
        if row["state"] == outbox.WAITING and row["tries"]:
            notes.append(f"next {row['next_try_at']:%Y-%m-%d %H:%M:%S}")
        click.echo(
            f"{row['id']:<8} {row['state']:8} {row['purpose']:17} {', '.join(notes)}"
        )


def _tries(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"


@console.command("retry")
@click.argument("numbers", nargs=-1, type=click.IntRange(1))
@click.option("--failed", is_flag=True, help="All mail that has failed.")
def retry_mail(numbers: tuple[int, ...], failed: bool) -> None:
    """Let mail be tried again at once, by the NUMBERs of `mail list`.

    Mail that waits or has failed, whose link has not expired. A notice to an address
    that the account no longer has can't be repeated: that address is not kept.
    """
    if bool(numbers) == failed:
        raise console.Stop("Name NUMBERs or --failed.", console.EXIT_USAGE)
    count = rows.retry(numbers or None)
    click.echo(f"{count} to be tried again.")
    if numbers and count < len(numbers):
        raise console.Stop(
            f"{len(numbers) - count} can't be: unknown, sent, dropped, expired, or "
            "being sent just now."
        )


@console.command("test")
@click.argument("address")
def test_mail(address: str) -> None:
    """Send a test to ADDRESS now, and say what the mail server answers."""
    settings = _settings_of_mail()
    if not is_email(address, settings.email_private_domains):
        raise console.Stop(f"{address} is not an e-mail address.", console.EXIT_USAGE)
    row = _row("test", settings.locales[0])
    try:
        built = message.compose(settings, _templates(settings), row, Letter(address))
        transport.deliver(settings, row, address, built, lambda: None)
    except KeyRingError as error:
        raise console.Stop(str(error), console.EXIT_CONFIG) from error
    except (Later, Refused) as error:
        raise console.Stop(
            f"The mail was not taken ({error}); docs/mail.md explains that."
        ) from error
    taken = "is in a file" if settings.mail == FILE else "was taken by the mail server"
    click.echo(f"The mail {built['Message-ID']} {taken}.")


@console.command("preview")
@click.argument("purpose", type=click.Choice(list(PURPOSES)))
@click.option("--locale", help="Language; otherwise the first of the settings.")
@click.option("--html", "as_html", is_flag=True, help="Show the form for mail readers.")
def preview_mail(purpose: str, locale: str | None, as_html: bool) -> None:
    """Show the mail for PURPOSE with example values; nothing is sent."""
    settings = outbox.outbox().settings
    locale = locale or settings.locales[0]
    if locale not in settings.locales:
        names = ", ".join(settings.locales)
        raise console.Stop(
            f"CAREERS_USERS_LOCALES does not name {locale}, but {names}.",
            console.EXIT_USAGE,
        )
    values = {**PURPOSES[purpose].examples, "service": message.service_of(settings)}
    link = message.link(settings, purpose, _EXAMPLE_TOKEN)
    words = _templates(settings).words(locale, purpose, values, link)
    if as_html:
        click.echo(words.html, nl=False)
        return
    click.echo(f"From: {settings.sender}\nTo: {_EXAMPLE_ADDRESS}")
    click.echo(f"Subject: {words.subject}\n\n{words.text}", nl=False)


def _settings_of_mail() -> Settings:
    if not outbox.is_on():
        raise console.Stop("CAREERS_USERS_MAIL is off.", console.EXIT_CONFIG)
    return outbox.outbox().settings


def _templates(settings: Settings) -> Templates:
    try:
        return templates.load(settings.mail_templates, settings.locales)
    except TemplateMistake as error:
        raise console.Stop(str(error), console.EXIT_CONFIG) from error


def _row(purpose: str, locale: str) -> MailRow:
    now = clock.utcnow()
    values: dict[str, Any] = dict.fromkeys(("user_id", "asked", "address"))
    return MailRow(
        id=int(now.timestamp() * 1000),
        purpose=purpose,
        locale=locale,
        created_at=now,
        ends_at=now + timedelta(hours=1),
        **values,
    )


for _command in (list_mail, retry_mail, test_mail, preview_mail):
    mail.add_command(_command)
