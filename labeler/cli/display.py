"""What the commands have in common on a terminal: numbers, text of others, tables that cut no name and no number."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from labeler.printable import clean

_columns = os.environ.get("COLUMNS", "")
if not (_columns.isdecimal() and int(_columns)):  # as if nobody had said it: at a width of 0 rich prints nothing
    os.environ.pop("COLUMNS", None)

ENDLESS = 10_000
"""Columns of a terminal on which everything has room."""

# Without a terminal rich assumes 80 columns; a file can be as wide as it likes, where nobody says how wide it is to be.
out = Console() if sys.stdout.isatty() else Console(width=int(os.environ.get("COLUMNS", ENDLESS)))
"""Where results go."""

err = Console(stderr=True)
"""Where progress goes, so that output can be piped."""

_PLAIN = {
    "✓": "+",
    "✗": "x",
    "–": "-",
    "…": "...",
    "⟦": "[",
    "⟧": "]",
    "⏎": "|",
    "↵": "|",
    "␣": "_",
    "·": ".",
    "█": "#",
    "—": "-",
    "−": "-",
    "‘": "'",
    "“": '"',
    "”": '"',
    "‹": "<",
    "␍": "|",
    "→": "->",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "⇥": " ",
    "’": "'",
}
"""Our signs, and what stands in most texts, for a terminal that has them not; ``check`` would else say the same of what is
there and of what is not."""


def write_anywhere() -> None:
    """Have what a terminal's encoding lacks written in what it has, in the place of an error.

    No Unicode has half characters, as which names of files come that are in another encoding: they are spelled out, as
    JSON spells them too.
    """
    codecs.register_error("labeler.plain", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace" if _is_unicode(stream) else "labeler.plain")


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    letters = (_PLAIN.get(sign, unicodedata.normalize("NFKD", sign)[:1]) for sign in lacking)
    return "".join(letter if letter.isascii() else "?" for letter in letters), error.end


def _is_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "utf-8").lower().startswith("utf")


def coloured(console: Console) -> bool:
    """Whether a console shows colours: what only they would tell has to be told in marks elsewhere."""
    return console.color_system is not None and not console.no_color


def say(text: str) -> None:
    """A line of others' words and ours, which only the terminal itself breaks: what is in it can be copied whole."""
    out.print(clean(text), highlight=False, markup=False, soft_wrap=True)


def tell(text: str) -> None:
    """The same about what is going on, on stderr."""
    err.print(clean(text), highlight=False, markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """A result for another program."""
    print(json.dumps(value, ensure_ascii=not _is_unicode(sys.stdout), allow_nan=False))


def score_text(score: Mapping[str, Any] | None) -> Text:
    """A score with its interval, or its state where there is no number."""
    if score is None:
        return Text("–", style="dim")
    if score["value"] is None:
        return Text(score["state"], style="dim")
    text = Text(f"{score['value']:.2f}", style="bold")
    if score["low"] is not None:
        text.append(f" [{score['low']:.2f} {score['high']:.2f}]", style="dim")
    if score["state"] == "imprecise":
        text.append(" ~", style="yellow")
    return text


def when(seconds: float | None) -> str:
    """A time in UTC, to the second."""
    return "–" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def dollars(usd: float | None) -> str:
    """An amount of money; small ones with the digits that they need."""
    return "unknown" if usd is None else f"${usd:,.2f}" if usd == 0 or usd >= 1 else f"${usd:.4f}"


def by_kind(failures: Mapping[str, int]) -> str:
    """How many failures of which kind."""
    return ", ".join(f"{n:,} {kind}" for kind, n in failures.items())


def counted(n: int, what: str) -> str:
    """So many of something."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


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
    optional: bool = False
    """Whether it is left out where none of its cells says anything (``""``, ``0``)."""


Row = Sequence[Cell]


def print_table(columns: Sequence[Column], rows: Sequence[Row], among: Sequence[Row] = ()) -> None:
    """Columns where they have room, which they always have in a file; else every row by itself, its cells by name.

    No cell is ever cut, nor broken within a name or a number. ``among`` are the rows of several tables, this one's too,
    that are to look alike.
    """
    every = among or rows
    kept = [
        at for at, one in enumerate(columns) if not one.optional or any(str(row[at]) not in ("", "0") for row in every)
    ]
    columns = [columns[at] for at in kept]
    rows, every = ([[row[at] for at in kept] for row in some] for some in (rows, every))
    found = tabled(columns, rows, every)
    if _least(found) <= out.width:
        out.print()
        out.print(found)
        out.print()
        return
    for row in rows:
        out.print(by_itself(columns, row, out.width), soft_wrap=True)


def print_flowing(text: Text, indent: int = len(INDENT)) -> None:
    """Text that goes on in further lines, so many cells further in, where a terminal is too narrow for it."""
    lines = text.wrap(out, max(SENTENCE, out.width - indent))
    out.print(Text("\n" + " " * indent).join(lines), soft_wrap=True)


def tabled(columns: Sequence[Column], rows: Sequence[Row], among: Sequence[Row]) -> Table:
    """Rows beneath the names of their columns, which have room for all that stands in them ``among`` others."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    cells = [[_text(cell) for cell in row] for row in rows]
    for at, column in enumerate(columns):
        longest = max(len(column.name), *(_text(row[at]).cell_len for row in among))
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


def by_itself(columns: Sequence[Column], row: Row, width: int) -> Text:
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
