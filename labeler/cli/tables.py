"""Tables at any width: names and numbers stand whole, whatever has to give way for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from labeler.cli.display import ENDLESS, clean, out

INDENT = "  "
"""What stands before the lines of a row but its first, where there is no room for columns."""

SENTENCE = 24
"""Cells that a column of sentences needs at least; what is longer goes on in the next line."""

Cell = str | Text
"""Others' words or ours, or text that has its style already."""


@dataclass(frozen=True)
class Column:
    """What stands above some cells, and how they may be drawn."""

    name: str
    right: bool = False
    """Whether its cells are numbers."""
    sentences: bool = False
    """Whether its cells are read rather than copied, and may go on in the next line."""


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Columns where they have room, which they always have in a file; else every row by itself, its cells by name.

    No cell is ever cut, nor broken within a name or a number.
    """
    found = tabled(columns, rows)
    if _least(found) <= out.width:
        out.print(found)
        return
    for row in rows:
        out.print(by_itself(columns, row, out.width), soft_wrap=True)


def tabled(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    """Rows beneath the names of their columns."""
    table = Table(box=box.SIMPLE_HEAD)
    cells = [[_text(cell) for cell in row] for row in rows]
    for at, column in enumerate(columns):
        longest = max(len(column.name), *(row[at].cell_len for row in cells))
        table.add_column(
            Text(column.name),
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=not column.sentences,
            min_width=min(longest, SENTENCE) if column.sentences else longest,
        )
    for row in cells:
        table.add_row(*row)
    return table


def by_itself(columns: Sequence[Column], row: Sequence[Cell], width: int) -> Text:
    """A row's first cell, and the others behind their names; of an empty one nothing is said."""
    first, *others = map(_text, row)
    named = [(column.name, cell) for column, cell in zip(columns[1:], others, strict=True) if cell]
    head = first.copy()
    head.stylize("bold")
    return flowing([head, *(Text.assemble((name, "dim"), " ", cell) for name, cell in named)], width)


def flowing(items: Sequence[Text], width: int) -> Text:
    """Items one behind the other in as few lines as it takes; none is broken here, and a longer one has a line for itself."""
    lines = [Text()]
    for item in items:
        if lines[-1] and lines[-1].cell_len + 2 + item.cell_len > width:
            lines.append(Text(INDENT))
        elif lines[-1]:
            lines[-1].append("  ")
        lines[-1].append_text(item)
    return Text("\n").join(lines)


def _least(table: Table) -> int:
    """Cells that a table takes with no name or number in it cut."""
    return Measurement.get(out, out.options.update(max_width=ENDLESS), table).minimum


def _text(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(clean(cell))
