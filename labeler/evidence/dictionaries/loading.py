"""Finding out which family a folder belongs to."""

from __future__ import annotations

from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.dictionaries.base import Dictionary, Readers
from labeler.evidence.dictionaries.saelens import read_saelens

FAMILIES: dict[str, Readers] = {"SAELens": read_saelens}


def load_dictionary(path: str | Path) -> Dictionary:
    """The dictionary in a folder, by the first family that recognises it; InputError where none does."""
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"no dictionary folder at '{path}'; give a folder of one of: {', '.join(FAMILIES)}")
    for read in FAMILIES.values():
        dictionary = read(folder)
        if dictionary is not None:
            return dictionary
    raise InputError(f"'{path}' is no dictionary of a known family ({', '.join(FAMILIES)}); SAELens has a cfg.json")
