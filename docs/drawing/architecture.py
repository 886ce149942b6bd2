"""The rows of modules, as docs/architecture.md lists them, by feature."""

import ast
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from docs.drawing.svg import COLOURS, FAINT, GREY, PAPER, Sheet, width_of, wrapped

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "careers_users"
MARGIN, TITLE, ARCS = 32.0, 88.0, 60.0
WORDS, SHARED, LANE, GAP = 250.0, 400.0, 206.0, 14.0
CHIP, CHIP_GAP, PAD, SIZE = 26.0, 7.0, 11.0, 12.5
_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)


@dataclass
class Row:
    """A row of the house, with the modules that each lane has in it."""

    number: str
    words: str
    chips: dict[str, list[str]] = field(default_factory=dict)
    y: float = 0
    height: float = 0


def features() -> list[str]:
    """Return the features, each after those that it uses."""
    names = sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))
    uses = imports_between(names)
    order: list[str] = []
    while len(order) < len(names):
        ready = [
            name
            for name in names
            if name not in order
            and not any(a == name and b not in order for a, b in uses)
        ]
        order.append(ready[0])
    return order


def imports_between(names: list[str]) -> Counter[tuple[str, str]]:
    """Count the imports from one feature into another one's modules."""
    found: Counter[tuple[str, str]] = Counter()
    for name in names:
        for path in (PACKAGE / name).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    parts = node.module.split(".")
                    other = parts[1] if len(parts) > 1 else ""
                    if other in names and other != name:
                        found[name, other] += 1
    return found


def rows(lanes: list[str]) -> list[Row]:
    """Return the rows from top to bottom with the modules that there are."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    found = []
    for number, names, words in _ROW.findall(text):
        row = Row(number, words.replace("`", ""))
        for name in re.findall(r"`(\w+)`", names):
            if (PACKAGE / f"{name}.py").exists():
                row.chips.setdefault("", []).append(name)
            for lane in lanes:
                if name != "__init__" and (PACKAGE / lane / f"{name}.py").exists():
                    row.chips.setdefault(lane, []).append(name)
        found.append(row)
    return found


def chip_lines(names: list[str], width: float) -> list[list[tuple[str, float]]]:
    """Break chips into lines; each with its width."""
    lines: list[list[tuple[str, float]]] = [[]]
    used = 0.0
    for name in names:
        wide = width_of(name, SIZE, mono=True) + 20
        if lines[-1] and used + wide > width:
            lines.append([])
            used = 0.0
        lines[-1].append((name, wide))
        used += wide + CHIP_GAP
    return lines


def measure(found: list[Row]) -> float:
    """Give every row its place; return where the last one ends."""
    y = TITLE + ARCS + 44
    for row in found:
        lines = [len(wrapped(row.words, 12, WORDS - 56)) * 16.0]
        for lane, names in row.chips.items():
            width = (SHARED if lane == "" else LANE) - 2 * PAD
            count = len(chip_lines(names, width))
            lines.append(count * (CHIP + CHIP_GAP) - CHIP_GAP)
        row.y, row.height = y, max(lines) + 2 * PAD
        y += row.height
    return y


def draw() -> str:
    """Return the picture of the house."""
    lanes = features()
    found = rows(lanes)
    bottom = measure(found)
    width = MARGIN * 2 + WORDS + SHARED + len(lanes) * (LANE + GAP) + GAP
    sheet = Sheet("The modules of careers_users", "Rows import from lower rows only.")
    sheet.text(MARGIN, 44, "The house", size=22, bold=True)
    sheet.text(
        MARGIN,
        68,
        "A module imports from lower rows only; arrows count imports.",
        size=12,
        fill=GREY,
    )
    left = {"": MARGIN + WORDS}
    for number, lane in enumerate(lanes):
        left[lane] = MARGIN + WORDS + SHARED + GAP + number * (LANE + GAP)
    _draw_lanes(sheet, left, found)
    _draw_arcs(sheet, left, imports_between(lanes))
    for row in found:
        _draw_row(sheet, row, left, width)
    sheet.line([(MARGIN, bottom), (width - MARGIN, bottom)], stroke=FAINT, width=1)
    return sheet.render(width, bottom + MARGIN)


def _width(lane: str) -> float:
    return SHARED if lane == "" else LANE


def _draw_lanes(sheet: Sheet, left: dict[str, float], found: list[Row]) -> None:
    for number, (lane, x) in enumerate(left.items()):
        strong, pale = COLOURS[number % len(COLOURS)]
        used = [row for row in found if lane in row.chips]
        top, end = used[0].y, used[-1].y + used[-1].height
        head = TITLE + ARCS
        sheet.box(x, head, _width(lane), 32, fill=strong)
        name = lane or "shared"
        middle = x + _width(lane) / 2
        sheet.text(
            middle,
            head + 21,
            name,
            size=14,
            fill=PAPER,
            anchor="middle",
            bold=True,
        )
        if top > head + 60:  # From its name down to where it begins.
            sheet.line([(middle, head + 32), (middle, top)], stroke=strong, width=1)
        sheet.box(x, top, _width(lane), end - top, fill=pale)


def _draw_arcs(
    sheet: Sheet, left: dict[str, float], counted: Counter[tuple[str, str]]
) -> None:
    """Draw above the lanes who uses whom; far ones above near ones."""
    order = list(left)
    head = TITLE + ARCS - 3
    for (user, used), count in sorted(counted.items()):
        distance = order.index(user) - order.index(used)
        # Out on the left half of a lane, in on the right half; so that none cross.
        start = left[user] + LANE * (0.02 + 0.1 * distance)
        end = left[used] + LANE * (0.95 - 0.1 * distance)
        level = head - 18 * distance
        colour = COLOURS[order.index(user) % len(COLOURS)][0]
        points = [(start, head), (start, level), (end, level), (end, head)]
        sheet.arrow(points, stroke=colour)
        label = f"{count}"
        middle = (start + end) / 2
        sheet.box(middle - 13, level - 9, 26, 18, fill=PAPER, radius=9)
        sheet.text(middle, level + 4, label, size=12, fill=colour, anchor="middle")


def _draw_row(sheet: Sheet, row: Row, left: dict[str, float], width: float) -> None:
    sheet.line([(MARGIN, row.y), (width - MARGIN, row.y)], stroke=FAINT, width=1)
    middle = row.y + row.height / 2
    sheet.box(MARGIN, middle - 12, 26, 24, fill=COLOURS[0][1], radius=12)
    sheet.text(
        MARGIN + 13,
        middle + 4,
        row.number,
        size=12,
        fill=COLOURS[0][0],
        anchor="middle",
        bold=True,
    )
    lines = wrapped(row.words, 12, WORDS - 56)
    for number, line in enumerate(lines):
        y = middle + 4 + (number - (len(lines) - 1) / 2) * 16
        sheet.text(MARGIN + 38, y, line, size=12, fill=GREY)
    for lane, names in row.chips.items():
        strong = COLOURS[list(left).index(lane) % len(COLOURS)][0]
        chips = chip_lines(names, _width(lane) - 2 * PAD)
        y = middle - (len(chips) * (CHIP + CHIP_GAP) - CHIP_GAP) / 2
        for chip_line in chips:
            x = left[lane] + PAD
            for name, wide in chip_line:
                sheet.box(x, y, wide, CHIP, stroke=strong, radius=6)
                sheet.text(
                    x + wide / 2,
                    y + 17.5,
                    name,
                    size=SIZE,
                    anchor="middle",
                    mono=True,
                )
                x += wide + CHIP_GAP
            y += CHIP + CHIP_GAP
