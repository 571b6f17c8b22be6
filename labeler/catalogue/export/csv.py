"""CSV for spreadsheets: one row a feature, the columns of ``labeler.catalogue.cells``."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from labeler.catalogue.cells import cells, columns
from labeler.catalogue.database import clean_json
from labeler.printable import clean

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the start of a formula."""


def write(rows: Iterable[Mapping[str, Any]], file: TextIO, folder: Path | None) -> int:
    """Writes the rows; returns how many.

    There are columns for the scores of every key in any of the rows. What is unknown is empty. ``folder`` is where rows
    are put aside until all keys are known, for they may be more than memory holds: where the file itself has to fit too.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder) as aside:
        keys: set[str] = set()
        n = 0
        for row in rows:
            cleaned = clean_json(dict(row))
            keys.update(cleaned.get("scores") or ())
            aside.write(json.dumps(cells(cleaned)) + "\n")
            n += 1
        aside.seek(0)
        writer = csv.writer(file)
        names = columns(keys)
        writer.writerow(map(harmless, names))
        for line in aside:
            found = json.loads(line)
            writer.writerow([harmless(found.get(name)) for name in names])
    return n


def harmless(cell: Any) -> Any:
    """The cell; where it is text, as a terminal may show it and as no spreadsheet runs it."""
    return defused(clean(cell)) if isinstance(cell, str) else cell


def defused(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would run as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
