"""CSV with the columns ``index`` and ``label``, and ``description``, ``explainer`` and ``state`` where there are any."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from labeler.catalogue.export.csv import defused
from labeler.catalogue.imports.base import ForeignLabel
from labeler.catalogue.imports.jsonl import label
from labeler.errors import InputError
from labeler.evidence.formats.fields import Record
from labeler.evidence.formats.reading import one_line, opened

SHAPE = 'JSON lines such as {"index": 12, "label": "…"}, or CSV with the columns index,label[,description]'
"""What labels may look like, for a message."""


def labels(path: Path) -> Iterator[ForeignLabel | None]:
    """The labels of all rows; None for one that says that its feature has none (an exported one that failed, say)."""
    with opened(path) as file:
        reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
        try:
            columns = [name.strip() for name in reader.fieldnames or ()]
            if not {"index", "label"} <= set(columns):
                raise InputError(one_line(f"{path}: not a file of labels; write {SHAPE}"))
            reader.fieldnames = columns
            for cells in reader:
                place = f"{path}, line {reader.line_num}"
                if None in cells or None in cells.values():
                    raise InputError(
                        one_line(f"{place}: not as many cells as the {len(columns)} columns of the header")
                    )
                exported = "state" in columns
                yield label(Record(place, {name: _plain(cell) if exported else cell for name, cell in cells.items()}))
        except UnicodeDecodeError as error:
            raise InputError(one_line(f"{path}: not UTF-8")) from error
        except csv.Error as error:
            raise InputError(one_line(f"{path}, line {reader.reader.line_num}: not CSV ({error})")) from error


def _plain(cell: str) -> str:
    """A cell of our own export without the apostrophe that kept a spreadsheet from running it."""
    return cell[1:] if cell[:1] == "'" and defused(cell[1:]) == cell else cell
