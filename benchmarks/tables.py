"""Tables of docs/performance.md: their form, and how figures grow with the data."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks import charts
from benchmarks.figures import GROWTH_MOST
from benchmarks.growth import LIMITS_MS
from benchmarks.serving import ROOT

CHARTS = ROOT / "docs" / "charts"
KINDS = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "--:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def verdict(value: float | None, least: float) -> str:
    if value is None:
        return "not measured"
    return "yes" if value >= least else f"**no** ({value / least:.0%} of it)"


def growth(grown: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    yield "## Growth\n"
    yield (
        "Milliseconds that the statements of a call take in the database, without "
        "network and Python: PostgreSQL's own execution time, and for SQLite the time "
        "of the library's calls. Best of 5 (25 below 5 ms), median of 12 samples. "
        f"From 100,000 to 1,000,000 users no more than {GROWTH_MOST} times as long is "
        "demanded, but for what has to find more: there a limit at 1,000,000 stands.\n"
    )
    CHARTS.mkdir(exist_ok=True)
    for kind, name in KINDS.items():
        sizes = sorted(grown[kind], key=int)
        curves = {
            call: {int(size): grown[kind][size][call] for size in sizes}
            for call in grown[kind][sizes[0]]
        }
        title = f"{name}: milliseconds in the database"
        chart = CHARTS / f"growth-{kind}.svg"
        chart.write_text(charts.growth(title, curves), "utf-8")
        yield f"### {name}\n"
        head = ["call", *(f"{int(size):,}" for size in sizes), "growth", "reached"]
        yield from table(head, (_growth_row(c, curves[c]) for c in curves))
        yield f"![{title}](charts/{chart.name})\n"


def _growth_row(call: str, curve: Mapping[int, float]) -> list[str]:
    large, small = curve[max(curve)], curve[sorted(curve)[-2]]
    limit = LIMITS_MS.get(call, 0)
    if limit is None:
        reached = ""
    elif limit:
        reached = f"under {limit:g} ms: {verdict(limit / large, 1)}"
    else:
        # Times that the clock can't tell apart have not grown.
        grew = 1.0 if large - small < 0.02 else large / small
        reached = verdict(GROWTH_MOST / grew, 1)
    shown = [f"{curve[size]:.3f}" for size in sorted(curve)]
    return [call, *shown, f"{large / small:.1f}", reached]
