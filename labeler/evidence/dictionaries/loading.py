"""Finding out which family a dictionary belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.dictionaries import (
    circuit_tracer,
    dictionary_learning,
    gemma_scope,
    gemma_scope_2,
    llama_scope,
    neurons,
    openai_topk,
    saelens,
    sparsify,
)
from labeler.evidence.dictionaries.base import Dictionary
from labeler.evidence.dictionaries.family import Family
from labeler.evidence.dictionaries.hub import SCHEME, Remote
from labeler.nearest import meant

FAMILIES: dict[str, Family] = {
    "SAELens": saelens.FAMILY,
    "sparsify": sparsify.FAMILY,
    "dictionary_learning": dictionary_learning.FAMILY,
    "Gemma Scope": gemma_scope.FAMILY,
    "Gemma Scope 2": gemma_scope_2.FAMILY,
    "Llama Scope": llama_scope.FAMILY,
    "circuit-tracer": circuit_tracer.FAMILY,
    "OpenAI": openai_topk.FAMILY,
}
"""By name for people; the first that recognises a file reads it."""


def load_dictionary(source: str | Path, *, width: int | None = None) -> Dictionary:
    """The dictionary in a folder, by its weights' file, on the hub (``hf://…``), or ``neurons``.

    ``width`` is that of the hook point, which ``neurons`` has to be told. Raises InputError where nothing is
    recognised, several are, or what is there is damaged.
    """
    name = str(source)
    if name == neurons.NAME:
        if width is None:
            raise InputError("neurons have no file: the width of the hook point must be given")
        return neurons.neurons(width)
    if name.startswith(SCHEME):
        remote = Remote.look(name)
        family, weights = recognise(remote.names, name)
        return family.read(remote.fetch(weights, family.beside))
    path = Path(source)
    if path.is_file():
        depths = {1 + family.weights.count("/") for family in FAMILIES.values()}
        family, _ = recognise(["/".join(path.absolute().parts[-depth:]) for depth in depths], name)
        return family.read(path)
    if not path.is_dir():
        hint = f"; on the hub it would be {SCHEME}{name}" if name.count("/") == 1 and name[0] not in "./~" else ""
        raise InputError(
            f"no dictionary folder at '{name}'{meant(name, [neurons.NAME]) or hint}; give '{neurons.NAME}', or a folder or a "
            f"file of one of: {', '.join(FAMILIES)}"
        )
    found = {file for family in FAMILIES.values() for file in path.glob(family.weights) if file.is_file()}
    family, weights = recognise([file.relative_to(path).as_posix() for file in found], name)
    return family.read(path / weights)


def recognise(names: Iterable[str], source: str) -> tuple[Family, str]:
    """The family that one of the names, relative to a folder, belongs to, and that name.

    Raises InputError where there is none, or several of the first family that there is.
    """
    for label, family in FAMILIES.items():
        held = sorted({name for name in names if family.holds(name)})
        if len(held) > 1:
            shown = ", ".join(held[:3]) + ", …" * (len(held) > 3)
            raise InputError(f"'{source}' holds {len(held)} files of {label} ({shown}); name one of them")
        if held:
            return family, held[0]
    looks = "; ".join(f"{label}: {family.looks}" for label, family in FAMILIES.items())
    raise InputError(f"'{source}' is no dictionary of a known family ({looks}; {neurons.NAME}: no file)")
