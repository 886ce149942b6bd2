"""Growth curves as SVG: one line a call, logarithmic both ways, no library needed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 230, 40, 48
COLOURS = (
    "#1b6ca8 #c0392b #1e8449 #8e44ad #d68910 #117a8b #7b241c #5d6d7e #2e4053 #a04000 "
    "#6c3483 #0e6655"
).split()
Curves = Mapping[str, Mapping[int, float]]
_STYLE = (
    "text{font:12px sans-serif;fill:#333}.title{font-size:14px;font-weight:bold}"
    ".grid{stroke:#ddd}"
)


@dataclass(frozen=True)
class _Frame:
    """Where a number of users and a time stand in the picture."""

    users: list[int]
    low: int
    high: int

    def x(self, number: int) -> float:
        span = log10(self.users[-1] / self.users[0]) or 1
        share = log10(number / self.users[0]) / span
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (log10(value) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def growth(title: str, curves: Curves) -> str:
    """Return a chart of milliseconds over numbers of users, both in powers of ten."""
    values = [value for curve in curves.values() for value in curve.values()]
    low = floor(log10(min(values)))
    frame = _Frame(
        users=sorted({number for curve in curves.values() for number in curve}),
        low=low,
        high=max(ceil(log10(max(values))), low + 1),
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>',
        *_grid(frame),
        *_lines(frame, curves),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(frame: _Frame) -> Iterator[str]:
    for power in range(frame.low, frame.high + 1):
        at = frame.y(10.0**power)
        yield (
            f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" '
            f'y2="{at:.1f}"/>'
        )
        yield (
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">'
            f"{10.0**power:g} ms</text>"
        )
    for number in frame.users:
        yield (
            f'<text x="{frame.x(number):.1f}" y="{HEIGHT - BOTTOM + 20}" '
            f'text-anchor="middle">{number:,} users</text>'
        )


def _lines(frame: _Frame, curves: Curves) -> Iterator[str]:
    """Draw the curves; their names stand at the right, in the order of the ends."""
    ends = sorted(curves, key=lambda name: -max(curves[name].items())[1])
    room = (HEIGHT - TOP - BOTTOM) / max(len(ends), 1)
    for place, name in enumerate(ends):
        colour = COLOURS[place % len(COLOURS)]
        points = " ".join(
            f"{frame.x(number):.1f},{frame.y(value):.1f}"
            for number, value in sorted(curves[name].items())
        )
        number, value = max(curves[name].items())
        at = TOP + room * (place + 0.5)
        yield (
            f'<polyline points="{points}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>'
        )
        yield (
            f'<line x1="{frame.x(number):.1f}" y1="{frame.y(value):.1f}" '
            f'x2="{WIDTH - RIGHT + 16}" y2="{at:.1f}" stroke="{colour}" '
            'stroke-width="0.5"/>'
        )
        yield (
            f'<text x="{WIDTH - RIGHT + 20}" y="{at + 4:.1f}" style="fill:{colour}">'
            f"{escape(name)}</text>"
        )
