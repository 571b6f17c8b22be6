"""CSV for spreadsheets: one row a feature, five columns a score."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from labeler.catalogue.database import clean_json
from labeler.catalogue.export.whole import whole_file

_BEFORE = ("index", "state", "label", "description", "explainer")
_AFTER = ("beats_lookup", "against_lookup", "same_label", "density", "max_activation", "usd", "run")
_OF_SCORE = ("value", "low", "high", "null_percentile", "state")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the start of a formula."""


def write(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Writes the rows; returns how many.

    The columns of a score are named ``key.value``, ``key.low``, …; there are those of every key in any of the rows.
    What is unknown is empty.
    """
    # The header needs the keys of all rows, which may be more than memory holds: they are put aside first, where the
    # file itself has to fit too.
    folder = Path(os.path.realpath(path)).parent
    with whole_file(path) as file, tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder) as aside:
        keys: set[str] = set()
        n = 0
        for row in rows:
            cells = _cells(clean_json(dict(row)))
            keys.update(cells["scores"])
            aside.write(json.dumps(cells) + "\n")
            n += 1
        aside.seek(0)
        writer = csv.writer(file)
        ordered = sorted(keys)
        of_scores = [f"{key}.{field}" for key in ordered for field in _OF_SCORE]
        writer.writerow([defused(name) for name in (*_BEFORE, *of_scores, *_AFTER)])
        for line in aside:
            cells = json.loads(line)
            scores = [cells["scores"].get(key, {}).get(field) for key in ordered for field in _OF_SCORE]
            writer.writerow([defused(cell) for cell in (*cells["before"], *scores, *cells["after"])])
    return n


def defused(cell: Any) -> Any:
    """The cell, with an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    statistics, cost, provenance, controls = (
        row.get(part) or {} for part in ("statistics", "cost", "provenance", "controls")
    )
    facts = {
        "beats_lookup": controls.get("beats_lookup"),
        "against_lookup": controls.get("against_lookup"),
        "same_label": " ".join(map(str, row.get("same_label") or [])),
        "density": statistics.get("density"),
        "max_activation": statistics.get("max_activation"),
        "usd": cost.get("usd"),
        "run": provenance.get("run"),
    }
    return {
        "before": [row.get(name) for name in _BEFORE],
        "scores": row.get("scores") or {},
        "after": [facts[name] for name in _AFTER],
    }
