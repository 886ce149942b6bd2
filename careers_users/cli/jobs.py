"""The commands `jobs ...`."""

import threading
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from careers_users import clock, database
from careers_users.cli import console
from careers_users.jobs import leases
from careers_users.jobs.leases import State
from careers_users.jobs.runner import Busy, Job, Runner, Unknown, registry

jobs = AppGroup("jobs", help="Look after the background jobs.")


@console.command("list")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def list_jobs(as_json: bool) -> None:
    """List the background jobs, when they last succeeded and when they are due."""
    states = leases.states(database.reader())
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    rows = [_row(job, states.get(job.name)) for job in registry(app).jobs.values()]
    if as_json:
        click.echo(console.as_json(rows))
        return
    for row in rows:
        succeeded = row["succeeded_at"]
        when = f"{succeeded:%Y-%m-%d %H:%M:%S}" if succeeded else "never"
        notes = [f"every {row['interval_seconds']:.0f} s", f"succeeded {when}"]
        if row["failures"]:
            notes.append(f"failed {row['failures']} times since")
        if row["holder"]:
            notes.append(f"run by {row['holder']}")
        click.echo(f"{row['name']:22} {', '.join(notes)}")


def _row(job: Job, state: State | None) -> dict[str, Any]:
    state = state or State(due_at=clock.utcnow())
    return {
        "name": job.name,
        "interval_seconds": job.interval.total_seconds(),
        "due_at": state.due_at,
        "succeeded_at": state.succeeded_at,
        "seconds": state.seconds,
        "failures": state.failures,
        "holder": None if state.is_free(clock.utcnow()) else state.holder,
    }


@console.command(
    "run", interrupted="Interrupted; the job goes on when its lease has expired."
)
@click.argument("name")
def run_job(name: str) -> None:
    """Run the job NAME now, whether or not it is due."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    try:
        done = Runner(app, threading.Event()).run(name)
    except Unknown as error:
        names = ", ".join(registry(app).jobs)
        raise console.Stop(
            f"There is no job {name}; there are {names}.", console.EXIT_USAGE
        ) from error
    except Busy as error:
        raise console.Stop(f"Another process runs {name} just now.") from error
    click.echo(f"{name}: {done} done.")


jobs.add_command(list_jobs)
jobs.add_command(run_job)
