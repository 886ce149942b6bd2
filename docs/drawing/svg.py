"""A sheet to draw on: boxes, text, lines, and how wide a text is."""

from html import escape

MONO = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
SANS = "system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
INK, GREY, FAINT, PAPER = "#1f2933", "#616e7c", "#d9e0e7", "#ffffff"
# Strong and pale, for a lane or a kind of thing each.
COLOURS = [
    ("#334e68", "#eef2f6"),
    ("#0b69a3", "#e6f4fc"),
    ("#0c6b58", "#e5f6f1"),
    ("#8d4604", "#fdf3e4"),
    ("#7b1fa2", "#f6ebfa"),
    ("#9b1c3f", "#fdecef"),
]
# Width of a character, in parts of the size of the text; wider than in usual fonts.
_MONO_WIDTH, _SANS_WIDTH = 0.61, 0.56


def width_of(text: str, size: float, *, mono: bool = False) -> float:
    """Return how wide a text is at most, in pixels."""
    return len(text) * size * (_MONO_WIDTH if mono else _SANS_WIDTH)


def wrapped(text: str, size: float, width: float) -> list[str]:
    """Return the lines of a text that has to fit into `width` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width_of(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


class Sheet:
    """An SVG in the making; what is drawn later lies on top."""

    def __init__(self, title: str, description: str) -> None:
        self._about = (title, description)
        self._parts: list[str] = []

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str = PAPER,
        stroke: str = "none",
        radius: float = 8,
    ) -> None:
        """Draw a box with round corners."""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{radius:g}" fill="{fill}" stroke="{stroke}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        fill: str = INK,
        anchor: str = "start",
        mono: bool = False,
        bold: bool = False,
    ) -> None:
        """Write a line of text; `y` is its base line."""
        style = f'class="{"m" if mono else "s"}" font-size="{size:g}" fill="{fill}"'
        style += ' font-weight="600"' if bold else ""
        style += f' text-anchor="{anchor}"' if anchor != "start" else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
        )

    def line(
        self,
        points: list[tuple[float, float]],
        *,
        stroke: str = GREY,
        width: float = 1.5,
    ) -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{stroke}" '
            f'stroke-width="{width:g}" stroke-linejoin="round"/>'
        )

    def arrow(self, points: list[tuple[float, float]], *, stroke: str = GREY) -> None:
        """Draw a line through points with a head at its end."""
        self.line(points, stroke=stroke)
        (x0, y0), (x, y) = points[-2:]
        dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
        back, side = (x - 8 * dx, y - 8 * dy), (4.5 * dy, 4.5 * dx)
        corners = [
            (x, y),
            (back[0] + side[0], back[1] + side[1]),
            (back[0] - side[0], back[1] - side[1]),
        ]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
        self._parts.append(f'<polygon points="{path}" fill="{stroke}"/>')

    def render(self, width: float, height: float) -> str:
        """Return the picture, on paper of that size."""
        title, description = map(escape, self._about)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
                f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
                'role="img">',
                f"<title>{title}</title>",
                f"<desc>{description}</desc>",
                f"<style>.m {{font-family: {MONO}}} .s {{font-family: {SANS}}}</style>",
                f'<rect width="100%" height="100%" rx="12" fill="{PAPER}"/>',
                *self._parts,
                "</svg>",
                "",
            ]
        )
