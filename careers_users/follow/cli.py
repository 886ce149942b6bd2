"""The command `users recount`."""

import click

from careers_users import terminal
from careers_users.follow import service


@terminal.command("recount")
@click.option("--check", is_flag=True, help="Only report; exit with 1 if any differ.")
def recount(check: bool) -> None:
    """Compare the stored counters with the rows they count, and repair them.

    Follows and registrations wait until it is done.
    """
    drifts = service.recount(repair=not check)
    for drift in drifts:
        click.echo(f"{drift.name} is {drift.stored}, should be {drift.counted}")
    if not drifts:
        click.echo("All counters are right.")
    elif check:
        raise SystemExit(terminal.EXIT_NO)
    else:
        click.echo(f"Repaired {len(drifts)} counters.")
