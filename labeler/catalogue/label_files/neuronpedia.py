"""Neuronpedia's explanations: ``explanations/batch-N.jsonl.gz`` of an export; their rows are ordinary ones."""

from __future__ import annotations

import re
from pathlib import Path

from labeler.evidence.importers.files import files_in

BATCH = re.compile(r"batch-[0-9]+\.jsonl(\.gz)?")


def batches(folder: Path) -> list[Path]:
    """The files of an export's folder, or of its ``explanations/``; none where there are none."""
    return files_in(folder / "explanations", BATCH) or files_in(folder, BATCH)


def beside(named: Path, export: Path) -> Path | None:
    """The folder of explanations that goes with an export which was found at or around a path; None where none does."""
    folder = named if named.is_dir() else named.parent
    places = [export / "explanations"]
    if folder.absolute().name == "explanations":
        places.insert(0, folder)
    elif export != named:  # unpacked beside the rest
        places.append(export.parent / "explanations")
    return next((place for place in places if files_in(place, BATCH)), None)
