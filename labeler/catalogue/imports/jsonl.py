"""JSON lines: ``{"index", "label"}`` with ``description`` and ``explainer`` where known; so is this project's own export."""

from __future__ import annotations

from collections.abc import Iterator

from labeler.catalogue.imports.base import ForeignLabel, foreign_label
from labeler.evidence.formats.fields import Record


def label(row: Record) -> ForeignLabel | None:
    """The label of a row; None where the row says that the feature has none (an exported one that failed, say)."""
    index = row.index("index")
    if row.text("state") not in ("", "labelled"):
        return None
    return foreign_label(row.place, index, row.text("label"), row.text("description"), row.text("explainer"))


def labels(rows: Iterator[Record]) -> Iterator[ForeignLabel | None]:
    """The labels of all rows."""
    return map(label, rows)
