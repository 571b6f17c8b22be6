"""JSON lines: one exported row a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from labeler.catalogue.database import clean_json

# They end a line for some readers, Python's splitlines among them.
_LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def write(rows: Iterable[Mapping[str, Any]], file: TextIO, folder: Path | None) -> int:
    """Writes the rows without NUL, NaN or infinity; returns how many. ``folder`` is not needed."""
    n = 0
    for row in rows:
        line = json.dumps(clean_json(dict(row)), ensure_ascii=False, allow_nan=False)
        for character, escape in _LINE_ENDS.items():
            line = line.replace(character, escape)
        file.write(line + "\n")
        n += 1
    return n
