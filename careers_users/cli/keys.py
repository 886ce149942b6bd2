"""The commands `flask keys ...`."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from careers_users import clock
from careers_users.cli import console
from careers_users.keys import (
    ALGORITHMS,
    Key,
    KeyRing,
    KeyRingError,
    KeyRingNotWritten,
    new_key,
    read_ring,
    write_ring,
)

# Twice as long as others may keep the list of public keys: see `jwks`.
DELAY_MINUTES = 10

keys = AppGroup("keys", help="Make, list and replace the keys that sign tokens.")
file_option = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The key ring (CAREERS_USERS_JWT_KEY_RING).",
)


def _on_ring(command: Callable[..., None]) -> Callable[..., None]:
    """Find the ring's file; turn what is wrong with it into the command's error."""

    @file_option
    @wraps(command)
    def run(path: Path | None, **options: Any) -> None:
        path = path or current_app.config["JWT_KEY_RING"]
        if path is None:
            raise click.UsageError("Set CAREERS_USERS_JWT_KEY_RING, or give --file.")
        try:
            command(path, **options)
        except KeyRingError as error:
            is_output = isinstance(error, KeyRingNotWritten)
            code = console.EXIT_OUTPUT if is_output else console.EXIT_CONFIG
            raise console.Stop(str(error), code) from error

    return run


@keys.command()
@click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    default="EdDSA",
    show_default=True,
    help="EdDSA and RS256 have public keys; HS256 is for this service alone.",
)
@_on_ring
def generate(path: Path, algorithm: str) -> None:
    """Make a key ring with one key, to be used from now on.

    Nothing that is there is overwritten. Tokens signed with
    CAREERS_USERS_JWT_SECRET_KEY stay good for seven days, if that stays set.
    """
    key = new_key(algorithm, _now())

    def first() -> tuple[list[Key], bytes]:
        if path.exists():
            raise KeyRingNotWritten(
                f"{path} is there already; its keys can be rotated."
            )
        return [key], secrets.token_urlsafe(48).encode()

    write_ring(path, first)
    click.echo(f"Made {path} with the {algorithm} key {key.kid}.")


@keys.command()
@click.option(
    "--algorithm", type=click.Choice(ALGORITHMS), help="By default, the last key's."
)
@click.option(
    "--delay",
    type=click.IntRange(0, 7 * 24 * 60),
    default=DELAY_MINUTES,
    show_default=True,
    help="Minutes until the new key signs; others learn of it meanwhile.",
)
@click.option(
    "--forget-others",
    is_flag=True,
    help="Use the new key at once and none but it: everybody must sign in again.",
)
@_on_ring
def rotate(path: Path, algorithm: str | None, delay: int, forget_others: bool) -> None:
    """Add a new key, and drop those whose last token is over.

    No user is signed out. Running servers read the file by themselves.
    """
    now = _now()
    use_from = now if forget_others else now + 60 * delay
    dropped: list[Key] = []

    def more() -> tuple[list[Key], bytes]:
        ring = read_ring(path)
        dropped.extend(
            key for key in ring.keys if forget_others or key.good_until <= now
        )
        kept = [key for key in ring.keys if key not in dropped]
        kept.append(new_key(algorithm or ring.keys[-1].algorithm, use_from))
        click.echo(f"Key {kept[-1].kid} signs from {_when(use_from)}.")
        return kept, ring.secret

    write_ring(path, more)
    if dropped:
        click.echo(f"Dropped {', '.join(str(key.kid) for key in dropped)}.")


@keys.command("list")
@_on_ring
def list_keys(path: Path) -> None:
    """List the keys, by name, and what each is for now."""
    ring = read_ring(path)
    for key in ring.keys:
        click.echo(f"{key.kid}  {key.algorithm:6}  {_state(ring, key)}")


def _state(ring: KeyRing, key: Key) -> str:
    now = _now()
    if key.use_from > now:
        return f"published, signs from {_when(key.use_from)}"
    if key.good_until <= now:
        return "over, to be dropped by the next rotation"
    if key is ring.signing_key():
        return f"signs since {_when(key.use_from)}"
    return f"verifies until {_when(key.good_until)}"


def _now() -> int:
    return int(clock.utcnow().timestamp())


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
