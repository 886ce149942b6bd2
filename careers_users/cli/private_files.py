"""Files that commands write: readable by their owner only, there when complete."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from careers_users.cli import console

_PRIVATE = stat.S_IRUSR | stat.S_IWUSR
_OTHERS = stat.S_IRGRP | stat.S_IROTH

output_argument = click.argument(
    "file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path)
)
force_option = click.option(
    "--force", is_flag=True, help="Replace FILE if there is one."
)


@contextmanager
def new(path: Path, *, force: bool | None = None) -> Iterator[IO[str]]:
    """Yield a file to write that appears under its name when it is complete.

    The path "-" is stdout. `force` replaces a file; None is for a command that has no
    such option.
    """
    if str(path) == "-":
        _refuse_open_stdout()
        yield sys.stdout
        return
    if path.exists() and not force:
        raise console.Stop(
            f"{path} is there already: choose another name"
            f"{'' if force is None else ', or --force'}.",
            console.EXIT_OUTPUT,
        )
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.unlink(missing_ok=True)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        descriptor = os.open(draft, flags, _PRIVATE)
        # Text of a file that is not UTF-8 goes out as it came in.
        with os.fdopen(descriptor, "w", -1, "utf-8", "surrogateescape", "") as file:
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
