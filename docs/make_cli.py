"""Writes docs/cli.md from the help texts of the commands: `python docs/make_cli.py`.

A test holds the page to what this makes.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from careers_users.__main__ import main
from careers_users.cli import schema
from careers_users.cli.console import EXIT_CODES

PAGE = Path(__file__).with_name("cli.md")
INTRODUCTION = """\
# The command line

Made from the commands' own help by `docs/make_cli.py`; change that, or the commands.

`careers-users COMMAND`, or in a checkout `flask COMMAND`. Settings come from the
environment ([configuration.md](configuration.md)). Answers go to stdout; errors,
warnings and progress to stderr. On a terminal progress is a bar, elsewhere a line now
and then. Ctrl-C leaves nothing half done. Run the commands as the service's own user:
without a `DATABASE_URL` they make its files if there are none.

## Completion

In bash, for this shell; put the line into `~/.bashrc` for all of them:

```sh
eval "$(_CAREERS_USERS_COMPLETE=bash_source careers-users)"
```

For zsh write `zsh_source`; for fish,
`_CAREERS_USERS_COMPLETE=fish_source careers-users | source`.

## Exit codes

| code | |
|---|---|
"""


def leaves(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield our commands with their full names; most of `db` are Flask-Migrate's."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path}{name} ")
        elif path != "db " or name in schema.OURS:
            yield f"{path}{name}", command


def page() -> str:
    """Return the page as it should be."""
    rows = "".join(f"| {code} | {text} |\n" for code, text in EXIT_CODES.items())
    parts = [INTRODUCTION + rows]
    for name, command in leaves(main):
        info = f"careers-users {name}"
        context = click.Context(
            command,
            info_name=info,
            terminal_width=80,
            help_option_names=main.context_settings["help_option_names"],
        )
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    parts.append(
        "## The others of db\n\nAre Flask-Migrate's own: `careers-users db current` "
        "shows the schema that the database\nhas, `careers-users db history` all there "
        "are.\n"
    )
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
