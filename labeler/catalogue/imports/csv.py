"""Tables of text with a header: cells parted by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from labeler.catalogue.export.csv import defused
from labeler.catalogue.imports.base import SHAPE, ForeignLabel
from labeler.catalogue.imports.columns import Columns, Rows
from labeler.errors import InputError
from labeler.evidence.importers.files import Record, one_line

SEPARATORS = (",", ";", "\t")

_SAID = re.compile("sep=(.)\r?\n")
"""How a spreadsheet says in a first line what parts the cells."""


def labels(text: str, place: str, rows: Rows) -> Iterator[ForeignLabel | None]:
    """The labels of all rows; None for one that says that its feature has none, see ``Rows``.

    The separator is the one by which the header has the columns that are needed. Raises InputError where there is none,
    or a row is damaged.
    """
    said = _SAID.match(text)
    skipped = 1 if said else 0
    text = text[said.end() :] if said else text
    separator, columns, header = _header(text, place, (said[1],) if said else SEPARATORS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        next(reader)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            here = f"{place}, line {reader.line_num + skipped}"
            if len(cells) != len(header):
                raise InputError(one_line(f"{here}: not as many cells as the {len(header)} columns of the header"))
            fields = dict(zip(header, map(_plain, cells) if columns.state else cells, strict=True))
            yield rows.label(Record(here, fields), columns)
    except csv.Error as error:
        raise InputError(one_line(f"{place}, line {reader.line_num + skipped}: not CSV ({error})")) from error


def _header(text: str, place: str, separators: tuple[str, ...]) -> tuple[str, Columns, list[str]]:
    """What parts the cells, which columns are which, and the names of all."""
    seen: list[str] = []
    for separator in separators:
        try:
            names = [name.strip() for name in next(csv.reader(io.StringIO(text, newline=""), delimiter=separator))]
        except (csv.Error, StopIteration):
            continue
        if (columns := Columns.of(names)) is not None:
            return separator, columns, names
        seen = max(seen, names, key=len)
    columns_are = f" (its columns are {', '.join(seen)})" if len(seen) > 1 else ""
    raise InputError(one_line(f"{place}: not a file of labels{columns_are}; write {SHAPE}"))


def _plain(cell: str) -> str:
    """A cell of our own export without the apostrophe that kept a spreadsheet from running it."""
    return cell[1:] if cell[:1] == "'" and defused(cell[1:]) == cell else cell
