"""The command `openapi`."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from careers_users.cli import console
from careers_users.http.openapi import document


@click.command("openapi")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write it to this file rather than to the terminal.",
)
@with_appcontext
def openapi_command(output: Path | None) -> None:
    """Print the OpenAPI description of the API, as /openapi.json answers it."""
    text = document.text(current_app)
    if output is None:
        click.echo(text, nl=False)
    else:
        try:
            output.write_text(text, "utf-8", newline="\n")
        except OSError as error:
            raise console.Stop(
                f"{output} can't be written: {error.strerror}.", console.EXIT_OUTPUT
            ) from error
