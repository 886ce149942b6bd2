"""The pictures of the documents: of today's code, and nothing lies on another thing."""

import xml.etree.ElementTree as ElementTree
from itertools import combinations

import pytest
from sqlalchemy import BigInteger, Column, ForeignKey, MetaData, Table, Text

from careers_users.models import User
from docs import diagrams
from docs.drawing import architecture, data_model
from docs.drawing.data_model import Card

MODULES = {path.stem for path in architecture.PACKAGE.rglob("*.py")}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", sorted(diagrams.pictures()))
def test_the_pictures_are_current(name: str) -> None:
    committed = (diagrams.IMAGES / name).read_text("utf-8")
    assert committed == diagrams.pictures()[name], "run docs/diagrams.py"


def texts(name: str) -> list[str]:
    """Return the words in a picture."""
    root = ElementTree.fromstring(diagrams.pictures()[name])
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def test_every_module_is_in_the_picture() -> None:
    shown = {text.rpartition(".")[2] for text in texts("architecture.svg")}
    assert shown >= MODULES


def test_every_column_is_in_the_picture() -> None:
    written = texts("data-model.svg")
    for table in User.metadata.tables.values():
        assert table.name in written
        for column in table.columns:
            assert written.count(column.name) >= 1, column
    columns = [c for table in User.metadata.tables.values() for c in table.columns]
    keys = [c for c in columns if c.foreign_keys and not c.primary_key]
    assert written.count("FK") == len(keys)


def tables(count: int) -> list[Table]:
    """Many tables: some refer to the first, some to those, some to nothing."""
    metadata = MetaData()
    Table("hub", metadata, Column("id", BigInteger, primary_key=True))
    for number in range(count):
        columns = [Column(f"column_{n}", Text) for n in range(number % 7)]
        if number % 4:
            columns.append(Column("hub_id", ForeignKey("hub.id")))
        elif number > 4:
            other = f"table_{number - 3}"
            columns.append(Column("other_id", ForeignKey(f"{other}.id")))
        key = Column("id", BigInteger, primary_key=True)
        Table(f"table_{number}", metadata, key, *columns)
    return sorted(metadata.tables.values(), key=lambda table: table.name)


def overlap(one: Card, other: Card) -> bool:
    """Return whether two cards touch."""
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@pytest.mark.parametrize("count", [0, 5, 12, 20])
def test_no_table_lies_on_another(count: int) -> None:
    given = tables(count) if count else list(User.metadata.tables.values())
    columns, alone = data_model.columns_of_cards(given)
    width, height = data_model.arrange(columns, alone)
    cards = [*alone, *(card for cards in columns.values() for card in cards)]
    assert {card.table for card in cards} == set(given)
    for card in cards:
        assert 0 < card.x < card.x + card.width < width
        assert 0 < card.y < card.y + card.height < height
    assert not [pair for pair in combinations(cards, 2) if overlap(*pair)]


def test_chips_stay_in_their_box() -> None:
    names = "a_rather_long_name short another_name one two three".split()
    lines = architecture.chip_lines(names, 200)
    assert [name for line in lines for name, _ in line] == names
    for line in lines:
        total = sum(width + architecture.CHIP_GAP for _, width in line)
        assert total - architecture.CHIP_GAP <= 200
