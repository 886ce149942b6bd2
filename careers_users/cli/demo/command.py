"""The command `demo`."""

import click

from careers_users.cli import console
from careers_users.cli.demo import fill, people
from careers_users.cli.demo.people import Size


@console.command("demo")
@click.option(
    "--users",
    type=click.IntRange(10, 10_000_000),
    default=1000,
    show_default=True,
    help="How many people.",
)
@click.option(
    "--edges",
    type=click.IntRange(0),
    help="How many follows in all.  [default: ten for each user]",
)
@click.option(
    "--seed",
    default=people.SEED,
    show_default=True,
    help="Another seed, other people; the same numbers always give the same.",
)
@click.option("--add", is_flag=True, help="Add them to the users that are there.")
def demo(users: int, edges: int | None, seed: int, add: bool) -> None:
    """Fill the database with believable users who follow each other.

    Everybody's password is password123, so never do this where others can sign in.
    `celebrity` has the most followers. The last of them is suspended, and the one
    before blocks a user and mutes another. A database that has users is refused, unless
    --add is given. All of it is there at the end or, after Ctrl-C, nothing.
    """
    try:
        size = Size(users, _edges(users) if edges is None else edges, seed)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(
        "Warning: everybody who can reach this service will be able to sign in as any "
        f"of these users, with the password {fill.PASSWORD}.",
        err=True,
    )
    fill.fill(size, console.progress, add=add)
    fill.block_and_mute()
    spammer = fill.suspend_last()
    click.echo(
        f"Added {size.users:,} users and {size.edges:,} follows. Sign in as "
        f"{people.CELEBRITY} with the password {fill.PASSWORD}; {spammer} is suspended."
    )


def _edges(users: int) -> int:
    return min(10 * users, users * (users - 1) // 8)
