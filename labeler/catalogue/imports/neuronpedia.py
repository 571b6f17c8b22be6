"""Neuronpedia's explanations: ``explanations/batch-N.jsonl.gz`` of an export; their rows are ordinary ones."""

from __future__ import annotations

import re
from pathlib import Path

from labeler.evidence.formats.reading import files_in

BATCH = re.compile(r"batch-[0-9]+\.jsonl(\.gz)?")


def batches(folder: Path) -> list[Path]:
    """The files of an export's folder, or of its ``explanations/``; none where there are none."""
    return files_in(folder / "explanations", BATCH) or files_in(folder, BATCH)
