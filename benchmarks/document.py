"""Writes docs/performance.md and its charts out of the figures of one run."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.calls import CALLS, Call
from benchmarks.contestants import (
    FASTAPI,
    GRANIAN,
    TUNED_DRF,
    USUAL_DRF,
    argon2_beside,
    bare,
    ours,
)
from benchmarks.figures import P99_MOST, Loads
from benchmarks.serving import ROOT
from benchmarks.tables import KINDS, growth, table, verdict

DOCUMENT = ROOT / "docs" / "performance.md"
NOTES = Path(__file__).with_name("notes.md")
ARGON2_LEAST = 0.76
DISTURBED = 0.6
QUIET_LOAD = 1.0
SECONDS_MOST, MEGABYTES_MOST = 1.5, 120
TITLES = {
    USUAL_DRF: "DRF, as usually written",
    TUNED_DRF: "DRF, tuned",
    FASTAPI: "FastAPI",
}
# The place in Call.demanded of what is demanded of the ratio to a peer.
DEMANDED = {USUAL_DRF: 1, FASTAPI: 2}


def write(result: Mapping[str, Any]) -> None:
    """Write the document, and the charts it shows."""
    parts = [*_head(result), *_against_bare(result["loads"])]
    parts += [*_against_peers(result["loads"]), *_under_granian(result["loads"])]
    parts += _against_itself(result)
    if "growth" in result:
        parts += growth(result["growth"])
    parts += [NOTES.read_text("utf-8").rstrip()]
    DOCUMENT.write_text("\n".join(parts) + "\n", "utf-8")


def _runs(result: Mapping[str, Any]) -> str:
    if "growth date" not in result:
        return f"all of it by one run ({result['date']})"
    return (
        f"all of it by one run ({result['date']}) but for the growth, which was "
        f"measured apart and later ({result['growth date']} UTC)"
    )


def _head(result: Mapping[str, Any]) -> Iterator[str]:
    dataset = result["dataset"]
    yield "# Performance\n"
    yield (
        f"Written by `python -m benchmarks`, {_runs(result)}. "
        "[benchmarks/](../benchmarks/README.md) says how to make it again. Absolute "
        "figures belong to the machine; the ratios to something served beside it in "
        "the same minute are what this page is about.\n"
    )
    yield (
        f"- {dataset['users']:,} users, {dataset['edges']:,} follow edges, one account "
        "with 50,000 followers (half of all users, if there are fewer than 100,000)."
    )
    yield (
        "- wrk with 16 kept-alive clients on the same machine, "
        f"{result['rounds']} rounds of {result['seconds']} s each, all contestants of "
        "a call in turn, forwards and backwards. A ratio is the median of the rounds' "
        "ratios."
    )
    yield (
        "- The service and the bare route run on the same server with the same "
        "settings, 2 processes with 2 threads each or 1, whichever is better for the "
        "service (named in the tables)."
    )
    machine = ", ".join(f"{name}: {value}" for name, value in result["machine"].items())
    yield f"- {machine}.\n"
    if float(result["machine"]["load before"]) > QUIET_LOAD:
        yield (
            "**The machine had other work before and during this run.** That lengthens "
            "the p99 most, and ratios of single calls may be off by a third either "
            "way.\n"
        )


def _against_bare(loads: Mapping[str, Loads]) -> Iterator[str]:
    yield "## Against a bare Flask route (PostgreSQL)\n"
    head = ["call", "requests/s", "bare", "ratio", "demanded", "reached"]
    head += ["median, ms", "p99, ms", "p99 : median", "bytes"]
    yield from table(head, (_bare_row(call, loads[call.name]) for call in CALLS))
    yield from _disturbed(loads)
    yield (
        "Demanded is 0.95 of what the run of 2026-11-30 gave, here and below: a change "
        f"should cost no more. p99 should be under {P99_MOST:g} times the median. The "
        "demanded figure of login is not one of bare: see below.\n"
    )


def _disturbed(loads: Mapping[str, Loads]) -> Iterator[str]:
    """Say where the bare route, the same for all calls, was served far less often."""
    served = {
        call.name: figures.middle(
            loads[call.name], bare(figures.best_threads(loads[call.name]))
        )
        for call in CALLS
    }
    usual = statistics.median(served.values())
    for name, rate in served.items():
        if rate < DISTURBED * usual:
            yield (
                f"**The ratio of {name} is not to be trusted**: the bare route "
                f"answered {rate:,.0f} requests/s beside it, and {usual:,.0f} in the "
                "middle of all calls, so the machine was busy with something else.\n"
            )


def _bare_row(call: Call, loads: Loads) -> list[str]:
    threads = figures.best_threads(loads)
    mine, other = ours("postgresql", threads), bare(threads)
    found = figures.ratio(loads, mine, other)
    median, p99 = (figures.middle(loads, mine, what) for what in ("median", "p99"))
    least = call.demanded[0]
    spread = f"{p99 / median:.1f}"
    return [
        f"{call.name} (2 x {threads})",
        f"{figures.middle(loads, mine):,.0f}",
        f"{figures.middle(loads, other):,.0f}",
        f"{found:.2f}",
        f"{least:.2f}" if least else "",
        verdict(found, least) if least else "",
        f"{median:.1f}",
        f"{p99:.1f}",
        spread if p99 < P99_MOST * median else f"**{spread}**",
        f"{figures.middle(loads, mine, 'bytes'):,.0f}",
    ]


def _against_peers(loads: Mapping[str, Loads]) -> Iterator[str]:
    peers = [name for name in TITLES if all(of.get(name) for of in loads.values())]
    if not peers:
        return
    yield "## Against the same calls in other frameworks (PostgreSQL)\n"
    yield (
        "Small implementations of our own in [benchmarks/peers/](../benchmarks/peers/):"
        " Django REST Framework (DRF) with simplejwt under gunicorn, two processes; "
        "FastAPI with async SQLAlchemy under uvicorn, two processes.\n"
    )
    yield from _styles(peers)
    yield "Times as many requests a second as they answer:\n"
    head = ["call"]
    for name in peers:
        head += [f"{TITLES[name]}: requests/s", "times that"]
        head += ["demanded", "reached"] if name in DEMANDED else []
    rows = (_peer_row(call, loads[call.name], peers) for call in CALLS)
    yield from table(head, rows)


def _styles(peers: Sequence[str]) -> Iterator[str]:
    """Say what the two of DRF are."""
    if USUAL_DRF not in peers:
        return
    yield (
        "DRF is there in two styles, with the same models and views. **As usually "
        "written**: the frameworks' defaults, so that each request opens a connection "
        "to the database, and lists whose serializers ask for what each row shows. "
        "**Tuned**: connections kept open, rows that come with all that they show, "
        "and less middleware. [All that differs](../benchmarks/README.md#the-peers).\n"
    )


def _peer_row(call: Call, loads: Loads, peers: Sequence[str]) -> list[str]:
    row = [call.name]
    for name in peers:
        served = figures.middle(loads, name)
        found = figures.ratio(loads, _mine(loads), name)
        shown = "" if found is None else f"{found:.1f}"
        row += [f"{served:,.1f}", shown if served else f"over {shown}"]
        if name in DEMANDED:
            least = call.demanded[DEMANDED[name]]
            row += [f"{least:g}", verdict(found, least)] if least else ["", ""]
    return row


def _under_granian(loads: Mapping[str, Loads]) -> Iterator[str]:
    if not all(of.get(GRANIAN) for of in loads.values()):
        return
    yield "## Under granian (PostgreSQL)\n"
    yield (
        "Granian serves the application with two processes and a thread each. "
        "[deployment.md](deployment.md) says which promises hold there.\n"
    )
    head = ["call", "waitress, requests/s", "granian, requests/s", "granian : waitress"]
    head += ["waitress: p99, ms", "granian: p99, ms"]
    yield from table(head, (_granian_row(call, loads[call.name]) for call in CALLS))


def _granian_row(call: Call, loads: Loads) -> list[str]:
    names = (_mine(loads), GRANIAN)
    rates = [f"{figures.middle(loads, name):,.0f}" for name in names]
    p99s = [f"{figures.middle(loads, name, 'p99'):.1f}" for name in names]
    found = figures.ratio(loads, GRANIAN, _mine(loads)) or 0
    return [call.name, *rates, f"{found:.2f}", *p99s]


def _mine(loads: Loads) -> str:
    """Return the name of the service on PostgreSQL, with the better threads."""
    return ours("postgresql", figures.best_threads(loads))


def _against_itself(result: Mapping[str, Any]) -> Iterator[str]:
    loads, needs = result["loads"], result["footprint"]
    login = loads["login"]
    argon2 = argon2_beside(_mine(login))
    share = figures.ratio(login, _mine(login), argon2)
    yield "## Login, SQLite, start and memory\n"
    yield (
        f"- Login answers {share:.2f} of what argon2 alone verifies on all cores with "
        f"the same parameters ({figures.middle(login, argon2):.0f}/s); demanded "
        f"{ARGON2_LEAST}: {verdict(share, ARGON2_LEAST)}."
    )
    seconds, megabytes = needs["seconds"], needs["megabytes"]
    yield (
        f"- From the start to the first answer {seconds} s (demanded under "
        f"{SECONDS_MOST}: {verdict(SECONDS_MOST / seconds, 1)}); the largest process "
        f"holds {megabytes} MB after load (demanded under {MEGABYTES_MOST}: "
        f"{verdict(MEGABYTES_MOST / megabytes, 1)})."
    )
    yield "- SQLite against PostgreSQL, each with its better number of threads:\n"
    yield from table(
        ["call", "SQLite, requests/s", "times PostgreSQL"],
        (_sqlite_row(call, loads[call.name]) for call in CALLS),
    )


def _sqlite_row(call: Call, loads: Loads) -> list[str]:
    names = [ours(kind, figures.best_threads(loads, kind)) for kind in KINDS]
    found = figures.ratio(loads, names[1], names[0]) or 0
    shown = f"{found:.2f}"
    is_low = found < 1 and not call.writes
    return [
        call.name,
        f"{figures.middle(loads, names[1]):,.0f}",
        f"**{shown}**" if is_low else shown,
    ]
