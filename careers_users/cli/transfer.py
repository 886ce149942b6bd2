"""The commands `users import` and `users export`."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from careers_users.cli import console, user_files, user_import, user_queries
from careers_users.cli.user_files import RecordsError
from careers_users.cli.user_import import Plan
from careers_users.observability import security_log

# Mistakes shown; who has more of them has one that repeats itself.
SHOWN_MAX = 200
_PRIVATE = stat.S_IRUSR | stat.S_IWUSR
_OTHERS = stat.S_IRGRP | stat.S_IROTH

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(user_files.FORMATS),
    help="The file's format, where its name does not end in .csv or .jsonl.",
)


@console.command(
    "import",
    interrupted="Interrupted between two batches: run it again, and it goes on.",
)
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@format_option
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@click.option(
    "--skip-invalid", is_flag=True, help="Import the good lines, report the others."
)
@click.option(
    "--no-passwords",
    is_flag=True,
    help="Lines need no password: such users can't sign in until they get one.",
)
def import_users(
    file: Path,
    format_: str | None,
    dry_run: bool,
    skip_invalid: bool,
    no_passwords: bool,
) -> None:
    """Add the users in FILE, as the earlier service or `users export` wrote them.

    CSV with a first line of column names, or JSON lines: username, email, password (the
    stored hash), first_name, last_name, bio, avatar, is_active, date_joined or
    created_at. Everything is checked before anything is written; each mistake is
    reported with its line. Who is there already, with the same name and address, is
    skipped, so an interrupted import is finished by running it again.
    """
    try:
        found = user_files.read(file, user_files.format_of(file, format_))
        with user_import.checked(found, no_passwords=no_passwords) as plan:
            _carry_out(plan, dry_run, skip_invalid)
    except RecordsError as error:
        raise console.Stop(str(error), console.EXIT_DATA) from error


def _carry_out(plan: Plan, dry_run: bool, skip_invalid: bool) -> None:
    _report(plan)
    if plan.mistakes and not skip_invalid:
        raise console.Stop(
            f"{len(plan.refused)} lines are wrong; nothing was written.",
            console.EXIT_DATA,
        )
    if dry_run:
        click.echo(f"Would add {plan.new} users; {plan.present} are there already.")
        return
    with console.progress("Users", plan.new) as report:
        user_import.write(plan, report)
    click.echo(f"Added {plan.new} users; {plan.present} were there already.")


def _report(plan: Plan) -> None:
    for line, message in plan.mistakes[:SHOWN_MAX]:
        click.echo(f"line {line}: {message}", err=True)
    if (more := len(plan.mistakes) - SHOWN_MAX) > 0:
        click.echo(f"... and {more} more mistakes", err=True)
    if plan.ignored:
        names = ", ".join(sorted(plan.ignored))
        click.echo(f"Ignored columns: {names}", err=True)
    if plan.unusable:
        click.echo(f"{plan.unusable} new users have no usable password", err=True)


@console.command("export", interrupted="Interrupted; no file was made.")
@click.argument(
    "file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path)
)
@format_option
@click.option(
    "--with-passwords", is_flag=True, help="Include the hashes of the passwords."
)
@click.option("--force", is_flag=True, help="Replace FILE if there is one.")
def export_users(
    file: Path, format_: str | None, with_passwords: bool, force: bool
) -> None:
    """Write all users to FILE, or to stdout for "-", as `users import` reads them.

    The file can be read by its owner only, and is there when it is complete. E-mail
    addresses are in it, and with --with-passwords the hashes of the passwords.
    """
    try:
        kind = user_files.format_of(file, format_)
    except RecordsError as error:
        raise click.UsageError(str(error)) from error
    names = [
        name for name in user_files.EXPORTED if with_passwords or name != "password"
    ]
    number = user_queries.number_of_users()
    with (
        _private_file(file, force) as output,
        console.progress("Users", number) as report,
    ):
        for written in user_files.write(output, kind, user_queries.export(), names):
            report(written)
    security_log.record("users_exported", None, passwords=with_passwords)


@contextmanager
def _private_file(path: Path, force: bool) -> Iterator[IO[str]]:
    """Yield a file to write that appears under its name when it is complete."""
    if str(path) == "-":
        _refuse_open_stdout()
        yield sys.stdout
        return
    if path.exists() and not force:
        raise console.Stop(
            f"{path} is there already: choose another name, or --force.",
            console.EXIT_OUTPUT,
        )
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.unlink(missing_ok=True)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        with os.fdopen(os.open(draft, flags, _PRIVATE), "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise console.Stop(
            f"{path} can't be written: {error.strerror}.", console.EXIT_OUTPUT
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _refuse_open_stdout() -> None:
    """Refuse a redirection into a file that others can read."""
    try:
        mode = os.fstat(sys.stdout.fileno()).st_mode
    except OSError:  # No file at all.
        return
    if os.name == "posix" and stat.S_ISREG(mode) and mode & _OTHERS:
        raise console.Stop(
            "Others could read that file: name it instead of redirecting, or set umask "
            "077 first.",
            console.EXIT_OUTPUT,
        )
