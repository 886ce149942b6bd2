"""The packages of careers_users in their rows, with their files and imports."""

import ast
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from docs.drawing.svg import COLOURS, FAINT, GREY, PAPER, Sheet, width_of, wrapped

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "careers_users"
MARGIN, TITLE, WORDS, WIDTH, GAP = 32.0, 88.0, 250.0, 1240.0, 14.0
CHIP, CHIP_GAP, PAD, SIZE, HEAD = 24.0, 6.0, 11.0, 12.0, 26.0
_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)


@dataclass
class Box:
    """A package: its files, and how many imports go from it to which others."""

    name: str
    files: list[str]
    uses: Counter[str]
    width: float = 0
    lines: list[list[tuple[str, float]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def height(self) -> float:
        """Return the height that name, files and imports need."""
        chips = len(self.lines) * (CHIP + CHIP_GAP)
        return HEAD + PAD + chips + len(self.words) * 15 + PAD


@dataclass
class Row:
    """A row of packages, from the top."""

    number: str
    words: str
    boxes: list[Box]
    y: float = 0
    height: float = 0


def files_of(package: str) -> list[Path]:
    """Return the files of a package, or the file that a module is."""
    folder = PACKAGE / package
    if not folder.is_dir():
        return [PACKAGE / f"{package}.py"]
    return sorted(folder.rglob("*.py"))


def uses_of(package: str) -> Counter[str]:
    """Count the imports of a package's files from each other package."""
    found: Counter[str] = Counter()
    for path in files_of(package):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                top, _, rest = node.module.partition(".")
                if top != PACKAGE.name:
                    continue
                names = [rest.partition(".")[0]] if rest else []
                for name in names or [alias.name for alias in node.names]:
                    if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists():
                        found[name] += 1
    del found[package]
    return found


def box_of(package: str) -> Box:
    """Return a package as a box, not yet laid out."""
    folder = PACKAGE / package
    names = [
        ".".join(path.relative_to(folder).with_suffix("").parts)
        for path in (files_of(package) if folder.is_dir() else [])
        if path.stem != "__init__"
    ]
    return Box(package, names, uses_of(package))


def rows() -> list[Row]:
    """Return the rows from top to bottom with their packages."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    return [
        Row(
            number,
            words.replace("`", ""),
            [box_of(name) for name in re.findall(r"`(\w+)`", names)],
        )
        for number, names, words in _ROW.findall(text)
    ]


def chip_lines(names: list[str], width: float) -> list[list[tuple[str, float]]]:
    """Break chips into lines; each with its width."""
    lines: list[list[tuple[str, float]]] = [[]]
    used = 0.0
    for name in names:
        wide = width_of(name, SIZE, mono=True) + 18
        if lines[-1] and used + wide > width:
            lines.append([])
            used = 0.0
        lines[-1].append((name, wide))
        used += wide + CHIP_GAP
    return lines if names else []


def measure(found: list[Row]) -> float:
    """Give every row and box its place; return where the last row ends."""
    y = TITLE
    for row in found:
        # Wider where there is more in it, so that a row is about as high everywhere.
        weights = [len(" ".join(box.files)) + 24 for box in row.boxes]
        room = WIDTH - GAP * (len(row.boxes) - 1)
        for box, weight in zip(row.boxes, weights, strict=True):
            box.width = room * weight / sum(weights)
            box.lines = chip_lines(box.files, box.width - 2 * PAD)
            uses = ", ".join(f"{name} {n}" for name, n in sorted(box.uses.items()))
            box.words = wrapped(f"imports {uses}", 11, box.width - 3 * PAD)
            box.words = box.words if uses else []
        words = len(wrapped(row.words, 12, WORDS - 56)) * 16.0
        row.height = max([words, *(box.height() for box in row.boxes)]) + 2 * PAD
        row.y = y
        y += row.height
    return y


def draw() -> str:
    """Return the picture of the layout."""
    found = rows()
    bottom = measure(found)
    width = MARGIN * 2 + WORDS + WIDTH
    sheet = Sheet("The packages of careers_users", "Imports run down.")
    sheet.text(MARGIN, 44, "The layout", size=22, bold=True)
    sheet.text(
        MARGIN,
        68,
        "A package imports from the rows below its own; on a row, from those to its "
        "right.",
        size=12,
        fill=GREY,
    )
    for number, row in enumerate(found):
        _draw_row(sheet, row, width, COLOURS[number % len(COLOURS)])
    sheet.line([(MARGIN, bottom), (width - MARGIN, bottom)], stroke=FAINT, width=1)
    return sheet.render(width, bottom + MARGIN)


def _draw_row(sheet: Sheet, row: Row, width: float, colours: tuple[str, str]) -> None:
    strong, pale = colours
    sheet.line([(MARGIN, row.y), (width - MARGIN, row.y)], stroke=FAINT, width=1)
    middle = row.y + row.height / 2
    sheet.box(MARGIN, middle - 12, 26, 24, fill=pale, radius=12)
    sheet.text(
        MARGIN + 13,
        middle + 4,
        row.number,
        size=12,
        fill=strong,
        anchor="middle",
        bold=True,
    )
    lines = wrapped(row.words, 12, WORDS - 56)
    for number, line in enumerate(lines):
        y = middle + 4 + (number - (len(lines) - 1) / 2) * 16
        sheet.text(MARGIN + 38, y, line, size=12, fill=GREY)
    x = MARGIN + WORDS
    for box in row.boxes:
        _draw_box(sheet, box, (x, row.y + PAD, row.height - 2 * PAD), colours)
        x += box.width + GAP


def _draw_box(
    sheet: Sheet, box: Box, place: tuple[float, float, float], colours: tuple[str, str]
) -> None:
    (x, y, height), (strong, pale) = place, colours
    sheet.box(x, y, box.width, height, fill=pale, radius=6)
    sheet.box(x, y, box.width, HEAD, fill=strong, radius=6)
    sheet.text(
        x + box.width / 2,
        y + 18,
        box.name,
        size=13,
        fill=PAPER,
        anchor="middle",
        bold=True,
    )
    top = y + HEAD + PAD
    for chip_line in box.lines:
        left = x + PAD
        for name, wide in chip_line:
            sheet.box(left, top, wide, CHIP, stroke=strong, radius=6)
            middle = left + wide / 2
            sheet.text(middle, top + 16.5, name, size=SIZE, anchor="middle", mono=True)
            left += wide + CHIP_GAP
        top += CHIP + CHIP_GAP
    for number, line in enumerate(box.words):
        sheet.text(x + PAD, top + 11 + number * 15, line, size=11, fill=GREY)
