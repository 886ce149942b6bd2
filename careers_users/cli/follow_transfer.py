"""The commands `users import-follows` and `users export-follows`."""

from pathlib import Path

import click

from careers_users.cli import (
    console,
    follow_check,
    follow_import,
    private_files,
    record_files,
    transfer,
    user_queries,
)
from careers_users.cli.follow_check import Find, FollowPlan
from careers_users.cli.mistakes import Mistakes
from careers_users.observability import security_log

_EXPORTED = ["follower", "following", "created_at"]


@console.command("import-follows", interrupted=transfer.INTERRUPTED)
@transfer.import_options
@click.option(
    "--map",
    "map_path",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="FILE has old ids; this is the map that users import wrote.",
)
@click.option("--ids", is_flag=True, help="FILE has ids that are the same here.")
def import_follows(
    file: Path,
    format_: str | None,
    report: Path | None,
    mended: Path | None,
    map_path: Path | None,
    *,
    ids: bool,
    dry_run: bool,
    skip_invalid: bool,
) -> None:
    """Add the follows in FILE, as the earlier service or `users export-follows` has it.

    CSV with a first line of column names, or JSON lines: follower, following (usernames
    or, with --map or --ids, numbers), created_at. Everything is checked before anything
    is written; each mistake is reported with its line. Follows that are here already
    are skipped, so an interrupted import is finished by running it again. Import them
    before users make new ones: lists show what was added last first. Those of suspended
    users are parked, and come back with `users restore`.
    """
    if ids and map_path is not None:
        raise click.UsageError("Use either --map or --ids.")
    mistakes = Mistakes(reported=report is not None)
    find = _find(map_path, ids=ids)
    with (
        transfer.reading(file, format_, follow_check.REQUIRED) as records,
        transfer.reading_mended(records, mended) as found,
        follow_check.checked(found, mistakes, find) as plan,
    ):
        _show(plan)
        if report is not None:
            mistakes.write(report, records)
        transfer.refuse_mistakes(mistakes, skip_invalid=skip_invalid)
        if dry_run:
            click.echo(f"Would add {plan.number} follows, but for those here already.")
            return
        with console.progress("Follows", plan.number) as progress:
            added = follow_import.write(plan, progress)
    follow_import.park()
    click.echo(f"Added {added} follows; {plan.number - added} were there already.")


def _find(map_path: Path | None, *, ids: bool) -> Find:
    if map_path is None:
        return follow_check.by_id() if ids else follow_check.by_name()
    with transfer.reading(map_path, "csv", follow_check.MAP_COLUMNS) as records:
        return follow_check.by_map(records)


def _show(plan: FollowPlan) -> None:
    plan.mistakes.show()
    if plan.ignored:
        console.warn(f"Ignored columns: {', '.join(sorted(plan.ignored))}")


@console.command("export-follows", interrupted="Interrupted; no file was made.")
@private_files.output_argument
@transfer.format_option
@private_files.force_option
def export_follows(file: Path, format_: str | None, force: bool) -> None:
    """Write all follows to FILE, or stdout for "-", as `users import-follows` reads it.

    Users are named by their usernames, and the oldest follow comes first; parked ones
    of suspended users are in it. The file can be read by its owner only, and is there
    when it is complete.
    """
    kind = transfer.output_format(file, format_)
    number = user_queries.number_of_follows()
    with (
        private_files.new(file, force=force) as output,
        console.progress("Follows", number) as report,
    ):
        writer = record_files.Writer(output, kind, _EXPORTED)
        for edge in user_queries.follows():
            writer.write(edge)
            report(1)
    security_log.record("follows_exported", None)
