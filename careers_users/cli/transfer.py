"""The commands `users import` and `users export`."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

import click

from careers_users.cli import (
    console,
    private_files,
    record_files,
    user_check,
    user_files,
    user_import,
    user_queries,
)
from careers_users.cli.mistakes import IMPORT_OPTIONS, LINE, Mistakes
from careers_users.cli.mistakes import mended as take_mended
from careers_users.cli.record_files import Record, RecordFile, RecordsError
from careers_users.cli.user_check import Plan
from careers_users.observability import security_log

INTERRUPTED = "Interrupted between two batches: run it again, and it goes on."
_MAP_COLUMNS = ["old_id", "new_id", "username"]

input_argument = click.argument(
    "file", type=click.Path(dir_okay=False, exists=True, path_type=Path)
)
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(record_files.FORMATS),
    help="The file's format, where its name does not end in .csv or .jsonl.",
)


def import_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command what every import takes: a file, and what becomes of mistakes."""
    for add in reversed((input_argument, format_option, *IMPORT_OPTIONS)):
        command = add(command)
    return command


@contextmanager
def reading_mended(
    records: RecordFile, mended: Path | None
) -> Iterator[Iterable[Record]]:
    """Yield records, in place of some of which a mended report is taken."""
    if mended is None:
        yield records
        return
    with reading(mended, records.format, (LINE,)) as report:
        yield take_mended(records, report)


@contextmanager
def reading(
    path: Path, format_: str | None, required: tuple[str, ...]
) -> Iterator[RecordFile]:
    """Yield the records of a file; one that can't be read ends the command."""
    try:
        found = record_files.format_of(path, format_)
        with record_files.reading(path, found, required) as file:
            yield file
    except RecordsError as error:
        raise console.Stop(str(error), console.EXIT_DATA) from error


def refuse_mistakes(mistakes: Mistakes, *, skip_invalid: bool) -> None:
    """End the command if there are mistakes, unless they are to be skipped."""
    if mistakes and not skip_invalid:
        raise console.Stop(
            f"{len(mistakes)} lines are wrong; nothing was written.",
            console.EXIT_DATA,
        )


@console.command("import", interrupted=INTERRUPTED)
@import_options
@click.option(
    "--no-passwords",
    is_flag=True,
    help="Lines need no password: such users can't sign in until they get one.",
)
@click.option(
    "--keep-ids",
    is_flag=True,
    help="Users have the numbers in the column id; only where there are no others.",
)
@click.option(
    "--map",
    "map_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write each user's old id, new id and username to this new CSV file.",
)
def import_users(
    file: Path,
    format_: str | None,
    report: Path | None,
    mended: Path | None,
    map_path: Path | None,
    *,
    no_passwords: bool,
    keep_ids: bool,
    **options: bool,
) -> None:
    """Add the users in FILE, as the earlier service or `users export` wrote them.

    CSV with a first line of column names, or JSON lines: username, email, password (the
    stored hash, of Django, Werkzeug or this service), first_name, last_name, bio,
    avatar, is_active, email_verified, date_joined or created_at, updated_at. For a
    username that is not allowed here, new_username. For --keep-ids and --map, id. Of
    suspended users, suspended_at, suspended_until, suspension_reason, suspension_note.
    docs/moving-in.md walks through it.

    Everything is checked before anything is written; each mistake is reported with its
    line. Of two lines with the same name, address or id, the older user's is right.
    Users who are there already, with the same name and address, are skipped, so an
    interrupted import is finished by running it again.
    """
    mistakes = Mistakes(reported=report is not None)
    schema = user_files.schema(keep_ids=keep_ids, mapped=map_path is not None)
    with (
        reading(file, format_, user_files.REQUIRED) as records,
        reading_mended(records, mended) as found,
        user_check.checked(found, mistakes, schema, no_passwords) as plan,
    ):
        _show(plan)
        if report is not None:
            mistakes.write(report, records, ("new_username",))
        _carry_out(plan, map_path, **options)


def _carry_out(
    plan: Plan, map_path: Path | None, *, skip_invalid: bool, dry_run: bool
) -> None:
    refuse_mistakes(plan.mistakes, skip_invalid=skip_invalid)
    if plan.keeps_ids:
        _refuse_other_users(plan)
    if dry_run:
        click.echo(f"Would add {plan.new} users; {plan.present} are there already.")
        return
    _write(plan, map_path)


def _write(plan: Plan, map_path: Path | None) -> None:
    output = nullcontext() if map_path is None else private_files.new(map_path)
    # Opened first: that it can't be written is better known before.
    with output as file:
        with console.progress("Users", plan.new) as report:
            user_import.write(plan, report)
        if file is not None:
            _write_map(plan, file)
    click.echo(f"Added {plan.new} users; {plan.present} were there already.")


def _write_map(plan: Plan, file: IO[str]) -> None:
    writer = record_files.Writer(file, "csv", _MAP_COLUMNS)
    for row in user_import.mapped(plan):
        writer.write(row)


def _show(plan: Plan) -> None:
    plan.mistakes.show()
    if plan.repeated:
        console.warn(f"{len(plan.repeated)} lines are there twice, word for word")
    if plan.ignored:
        console.warn(f"Ignored columns: {', '.join(sorted(plan.ignored))}")
    if plan.unusable:
        console.warn(f"{plan.unusable} new users have no usable password")


def _refuse_other_users(plan: Plan) -> None:
    others = user_queries.number_of_users() - plan.present
    if others > 0:
        raise console.Stop(
            f"There are {others} users here who are not in the file. Without "
            "--keep-ids users get numbers behind theirs, and --map says which."
        )


@console.command("export", interrupted="Interrupted; no file was made.")
@private_files.output_argument
@format_option
@click.option(
    "--with-passwords", is_flag=True, help="Include the hashes of the passwords."
)
@private_files.force_option
def export_users(
    file: Path, format_: str | None, with_passwords: bool, force: bool
) -> None:
    """Write all users to FILE, or to stdout for "-", as `users import` reads them.

    The file can be read by its owner only, and is there when it is complete. E-mail
    addresses are in it, and with --with-passwords the hashes of the passwords. Texts in
    a CSV file are what users chose, also where a spreadsheet takes them for formulas:
    open it with an editor, or import its columns as text.
    """
    kind = output_format(file, format_)
    names = [
        name for name in user_files.EXPORTED if with_passwords or name != "password"
    ]
    number = user_queries.number_of_users()
    with (
        private_files.new(file, force=force) as output,
        console.progress("Users", number) as report,
    ):
        writer = record_files.Writer(output, kind, names)
        for user in user_queries.export():
            writer.write(user)
            report(1)
    security_log.record("users_exported", None, passwords=with_passwords)


def output_format(file: Path, format_: str | None) -> str:
    """Return the format of a file to write; UsageError if nothing says it."""
    try:
        return record_files.format_of(file, format_)
    except RecordsError as error:
        raise click.UsageError(str(error)) from error
