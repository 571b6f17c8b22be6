"""Neuronpedia's explanations: ``explanations/batch-N.jsonl.gz`` of an export, or one of its files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labeler.catalogue.imports.base import ForeignLabel, foreign_label
from labeler.evidence.formats.fields import Record

BATCH = re.compile(r"batch-[0-9]+\.jsonl(\.gz)?")


def looks(row: Record) -> bool:
    """Whether a file's first row is one of theirs: it calls a label a description, and a hook point a layer."""
    return "label" not in row.fields and {"description", "layer"} <= row.fields.keys()


def labels(rows: Iterator[Record]) -> Iterator[ForeignLabel | None]:
    """The labels of all rows, None for those without text.

    Raises InputError for a row of another source than the first's.
    """
    source = None
    for row in rows:
        mine = row.text("modelId"), row.text("layer")
        source = source or mine
        if mine != source:
            raise row.wrong(f"of source '{mine[1]}', but the first row is of '{source[1]}'; score one source at a time")
        text = row.text("description")
        explainer = row.text("explanationModelName")
        yield foreign_label(row.place, row.index("index"), text, explainer=explainer) if text.strip() else None
