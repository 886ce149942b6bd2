"""docs/reliability.md: each promise, the test that proves it, what it measured last."""

import inspect
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

import pytest

from tests.live_server import ROOT

PAGE = ROOT / "docs/reliability.md"
INTRODUCTION = """# Reliability

The promises of the service for bad days, and the tests that prove them
against the served product: two processes, over sockets, on SQLite and PostgreSQL.
`.venv/bin/pytest -m stress tests/stress` proves it all again and wrote this page
({date}). Figures belong to the machine they were measured on; the promises do not.
"""
NOT_PROMISED = """## Not promised

- A worker process that hangs (a thread that never returns, a library that holds the
  interpreter's lock) is not replaced: only one that has ended is. Its connections wait.
  It does not answer `/health/live` then; let the service manager or the orchestrator
  restart an instance that does not.
- Under other WSGI servers some promises do not hold:
  [deployment.md](deployment.md#under-another-wsgi-server) says which.
"""


def promise(item: pytest.Item) -> tuple[str, str]:
    """Return heading and sentence of what a test promises.

    The heading is its module's docstring up to the first full stop, the sentence its
    own docstring's first paragraph; without either the test is not finished.
    """
    function = getattr(item, "function", None)
    module = inspect.getmodule(function)
    heading = (inspect.getdoc(module) or "").partition(".")[0]
    sentence = " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
    if not heading or not sentence:
        raise ValueError(f"{item.nodeid} does not say what it promises.")
    return heading, sentence


def write(items: Sequence[pytest.Item], told: pytest.StashKey[dict[str, str]]) -> None:
    """Write the page from the tests that have run."""
    lines = [INTRODUCTION.format(date=datetime.now(UTC).date())]
    in_order = sorted(items, key=lambda item: promise(item)[0])
    for heading, group in groupby(in_order, key=lambda item: promise(item)[0]):
        lines += [
            f"## {heading}",
            "",
            "| promise | test | last figures |",
            "|---|---|---|",
        ]
        rows: dict[tuple[str, str], list[str]] = {}
        for item in group:
            file, _, name = item.nodeid.partition("::")
            test = f"`{file.rpartition('/')[2]}::{name.partition('[')[0]}`"
            figures = item.stash.get(told, {})
            said = ", ".join(f"{key} {value}" for key, value in figures.items())
            parameters = name.partition("[")[2].removesuffix("]")
            known = rows.setdefault((promise(item)[1], test), [])
            if said:
                known.append(f"{parameters}: {said}" if parameters else said)
        for (sentence, test), said_of in rows.items():
            lines.append(f"| {sentence} | {test} | {'; '.join(said_of) or 'held'} |")
        lines.append("")
    PAGE.write_text("\n".join([*lines, NOT_PROMISED]), "utf-8")
