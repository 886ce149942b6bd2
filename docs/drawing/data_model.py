"""The tables: the one that most others refer to in the middle, the others around it."""

from dataclasses import dataclass

from sqlalchemy import Column, Dialect, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from careers_users.models import User
from docs.drawing.svg import COLOURS, FAINT, GREY, PAPER, Sheet, width_of

MARGIN, GUTTER, GAP = 32.0, 96.0, 28.0
TITLE, HEAD, ROW = 92.0, 38.0, 22.0
NAME_SIZE, TYPE_SIZE = 12.5, 11.5
MARKS = 34.0  # the width of what stands before a column's name


@dataclass
class Card:
    """A table on the sheet."""

    table: Table
    x: float = 0
    y: float = 0
    width: float = 0

    @property
    def height(self) -> float:
        return HEAD + ROW * len(self.table.columns) + 10

    def row(self, column: str) -> float:
        """Return the middle of a column's row."""
        position = list(self.table.columns.keys()).index(column)
        return self.y + HEAD + ROW * (position + 0.5) + 4


def type_of(column: Column[object]) -> str:
    """Return a column's type as PostgreSQL has it, with a ? if it may be empty."""
    dialect: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    name = column.type.compile(dialect=dialect).lower()
    name = name.partition(" collate")[0]
    name = name.replace("timestamp with time zone", "timestamptz")
    return f"{name}?" if column.nullable else name


def marks_of(column: Column[object]) -> str:
    """Return PK, FK and U for what a column is."""
    unique = any(
        isinstance(constraint, UniqueConstraint)
        and list(constraint.columns) == [column]
        for constraint in column.table.constraints
    )
    if column.primary_key:
        return "PK"
    return "FK" if column.foreign_keys else "U" if unique else ""


def target_of(column: Column[object]) -> str:
    """Return what a column refers to, in words; nothing if it does not."""
    return "".join(f"→ {key.column.table.name}" for key in column.foreign_keys)


def width_for(table: Table) -> float:
    """Return how wide a table's card has to be."""
    rows = [
        width_of(column.name, NAME_SIZE, mono=True)
        + width_of(
            max(type_of(column), target_of(column), key=len), TYPE_SIZE, mono=True
        )
        for column in table.columns
    ]
    title = width_of(table.name, 14, mono=True) + 20
    return max(230, title, MARKS + max(rows) + 40)


def parents_of(table: Table) -> list[Table]:
    """Return the tables that a table refers to, without itself."""
    keys = [key for column in table.columns for key in column.foreign_keys]
    found = dict.fromkeys(key.column.table for key in keys)
    return sorted((t for t in found if t is not table), key=lambda t: t.name)


def columns_of_cards(tables: list[Table]) -> tuple[dict[int, list[Card]], list[Card]]:
    """Return the cards by column, 0 in the middle, and those without references."""
    hub = max(tables, key=lambda t: sum(t in parents_of(other) for other in tables))
    columns: dict[int, list[Card]] = {0: [Card(hub)]}
    place = {hub: 0}
    heights = {-1: 0.0, 1: 0.0}
    near = [table for table in tables if hub in parents_of(table)]
    for card in sorted(map(Card, near), key=lambda c: (-c.height, c.table.name)):
        side = min(heights, key=lambda s: (heights[s], s))
        heights[side] += card.height + GAP
        columns.setdefault(side, []).append(card)
        place[card.table] = side
    # Tables that refer to these alone stand beyond them.
    far = [t for t in tables if t not in place and parents_of(t)]
    for table in sorted(far, key=lambda t: t.name):
        side = place.get(parents_of(table)[0], 1)
        place[table] = side + (1 if side > 0 else -1)
        columns.setdefault(place[table], []).append(Card(table))
    alone = [Card(table) for table in tables if table not in place]
    return columns, sorted(alone, key=lambda c: (-c.height, c.table.name))


def arrange(columns: dict[int, list[Card]], alone: list[Card]) -> tuple[float, float]:
    """Give every card its place; return the sheet's width and height."""
    total = max(
        sum(card.height + GAP for card in cards) - GAP for cards in columns.values()
    )
    x = MARGIN
    for number in sorted(columns):
        cards = columns[number]
        width = max(width_for(card.table) for card in cards)
        height = sum(card.height + GAP for card in cards) - GAP
        y = TITLE + (total - height) / 2
        for card in cards:
            card.x, card.y, card.width = x, y, width
            y += card.height + GAP
        x += width + GUTTER
    sheet_width = x - GUTTER + MARGIN
    return sheet_width, _arrange_below(alone, sheet_width, TITLE + total + 2 * GAP)


def _arrange_below(cards: list[Card], sheet_width: float, top: float) -> float:
    x, y, row = MARGIN, top + GAP, 0.0
    for card in cards:
        card.width = width_for(card.table)
        if x > MARGIN and x + card.width > sheet_width - MARGIN:
            x, y, row = MARGIN, y + row + GAP, 0.0
        card.x, card.y = x, y
        row = max(row, card.height)
        x += card.width + GAP
    return y + row + MARGIN if cards else top


def draw() -> str:
    """Return the picture of all tables."""
    tables = sorted(User.metadata.tables.values(), key=lambda table: table.name)
    columns, alone = columns_of_cards(tables)
    width, height = arrange(columns, alone)
    sheet = Sheet("The tables of careers_users", ", ".join(t.name for t in tables))
    sheet.text(MARGIN, 44, "The tables", size=22, bold=True)
    legend = "PK: primary key · FK: refers to · U: unique · ?: may be empty"
    sheet.text(MARGIN, 68, legend, size=12, fill=GREY)
    placed = {card.table: card for cards in columns.values() for card in cards}
    places = {c.table: number for number, cards in columns.items() for c in cards}
    for table, card in placed.items():
        _connect(sheet, card, placed, places[table])
    if alone:
        y = alone[0].y - 16
        sheet.line([(MARGIN, y - 26), (width - MARGIN, y - 26)], stroke=FAINT)
        sheet.text(MARGIN, y, "Without references", size=12, fill=GREY)
    for card in [*placed.values(), *alone]:
        strong, pale = COLOURS[_colour(card, places)]
        _draw_card(sheet, card, strong, pale, placed)
    return sheet.render(width, height)


def _colour(card: Card, places: dict[Table, int]) -> int:
    number = places.get(card.table)
    return 0 if number is None else 1 + min(abs(number), 2)


def _drawn_parent(card: Card, placed: dict[Table, Card]) -> Table | None:
    """Return the table to which lines go from this one: its neighbour inwards."""
    near = [placed[table] for table in parents_of(card.table) if table in placed]
    inward = [other for other in near if other.x != card.x]
    inward.sort(key=lambda other: abs(other.x - card.x))
    return inward[0].table if inward else None


def _connect(sheet: Sheet, card: Card, placed: dict[Table, Card], side: int) -> None:
    parent = _drawn_parent(card, placed)
    if parent is None:
        return
    other = placed[parent]
    out = 1 if side < 0 else -1  # the direction from this card to the other
    start = card.x + (card.width if side < 0 else 0)
    end = other.x + (0 if side < 0 else other.width)
    trunk = (start + end) / 2
    for column in card.table.columns:
        for key in column.foreign_keys:
            if key.column.table is parent:
                y, top = card.row(column.name), other.row(key.column.name)
                points = [(start, y), (trunk, y), (trunk, top), (end, top)]
                sheet.line(points, stroke=GREY)
                # Many at this end, one at the other.
                for dy in (-5, 5):
                    sheet.line([(start, y + dy), (start + 10 * out, y)], stroke=GREY)
                sheet.line([(end - 8 * out, top - 5), (end - 8 * out, top + 5)])


def _draw_card(
    sheet: Sheet, card: Card, strong: str, pale: str, placed: dict[Table, Card]
) -> None:
    x, y, width = card.x, card.y, card.width
    sheet.box(x, y, width, card.height, stroke=strong)
    sheet.box(x, y, width, HEAD, fill=strong)
    sheet.box(x, y + HEAD - 8, width, 8, fill=strong, radius=0)
    sheet.text(
        x + 12, y + 24, card.table.name, size=14, fill=PAPER, mono=True, bold=True
    )
    parent = _drawn_parent(card, placed)
    for column in card.table.columns:
        tables = [key.column.table for key in column.foreign_keys]
        # References that no line shows are written.
        shown = not tables or parent in tables
        text = type_of(column) if shown else target_of(column)
        _draw_column(sheet, card, column, text, (strong, pale))


def _draw_column(
    sheet: Sheet,
    card: Card,
    column: Column[object],
    text: str,
    colours: tuple[str, str],
) -> None:
    x, y = card.x, card.row(column.name) + 4
    strong, pale = colours
    if marks := marks_of(column):
        sheet.box(x + 8, y - 13, 24, 17, fill=pale, radius=4)
        place = (x + 20, y - 0.5)
        sheet.text(*place, marks, size=10, fill=strong, anchor="middle", bold=True)
    name, bold = column.name, column.primary_key
    sheet.text(x + MARKS + 6, y, name, size=NAME_SIZE, mono=True, bold=bold)
    right = x + card.width - 12
    sheet.text(right, y, text, size=TYPE_SIZE, fill=GREY, anchor="end", mono=True)
