"""Finding out which format foreign evidence is of."""

from __future__ import annotations

from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.importers.base import Foreign, Format
from labeler.evidence.importers.circuit_tracer import CIRCUIT_TRACER
from labeler.evidence.importers.contexts import Contexts
from labeler.evidence.importers.files import one_line
from labeler.evidence.importers.neuron_records import NEURON_RECORDS
from labeler.evidence.importers.neuronpedia import Neuronpedia
from labeler.evidence.importers.saedashboard import SAEDASHBOARD

_ALL: tuple[Format, ...] = (Neuronpedia(), SAEDASHBOARD, NEURON_RECORDS, CIRCUIT_TRACER, Contexts())

FORMATS: dict[str, Format] = {format.name: format for format in _ALL}
"""Every format by its name for people, in the order in which they are tried."""

CACHE = "Delphi cache"
"""The one format that is not read feature by feature, for it holds its whole corpus: see ``formats/delphi.py``."""


def open_foreign(path: Path) -> Foreign:
    """The evidence in a folder or file, by the first format that recognises it.

    Raises InputError where there is nothing, where it is damaged, or where no format fits.
    """
    known = ", ".join([*FORMATS, CACHE])
    if not (path.is_dir() or path.is_file()):
        raise InputError(one_line(f"no evidence at '{path}'; give a file or folder of one of: {known}"))
    foreign = recognise(path)
    if foreign is None:
        raise InputError(one_line(f"'{path}' is of no known format ({known})"))
    return foreign


def recognise(path: Path) -> Foreign | None:
    """The evidence in a folder or file, by the first format that recognises it; InputError where it is damaged."""
    return next((foreign for format in FORMATS.values() if (foreign := format(path)) is not None), None)
