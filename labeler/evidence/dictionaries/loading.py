"""Finding out which family a dictionary belongs to, on disk or on the Hugging Face hub."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeler.errors import InputError, MissingExtraError
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
from labeler.evidence.dictionaries.base import Dictionary, Family
from labeler.nearest import meant

SCHEME = "hf://"

_SOURCE = re.compile(r"^hf://(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<inside>[^@]*?))?/?(?:@(?P<revision>.+))?$")


@dataclass(frozen=True)
class Remote:
    """A folder or a file of a repository as it was at one commit, whatever its branch does meanwhile."""

    source: str
    """As it was asked for."""
    repo: str
    commit: str
    inside: str
    """The folder; '' for the whole repository. A file's is the folder that it lies in."""
    names: tuple[str, ...]
    """Its files, relative to the folder; that one alone where the source names a file."""
    elsewhere: frozenset[str]
    """All files of the repository, relative to its root."""

    @classmethod
    def look(cls, source: str) -> Remote:
        """What is there, asked in one request. Raises InputError where the name or the repository is no good."""
        match = _SOURCE.match(source)
        parts = (match["inside"] or "").split("/") if match else []
        if match is None or any(part in (".", "..") for part in parts) or (parts != [""] and "" in parts):
            raise InputError(f"'{source}' is no dictionary on the hub; write hf://org/repo[/sub/folder][@revision]")
        info = _asked(source, lambda hub: hub.HfApi().model_info(match["repo"], revision=match["revision"]))
        everything = frozenset(str(file.rfilename) for file in info.siblings or ())
        inside = "/".join(parts)
        if inside in everything:
            inside, _, name = inside.rpartition("/")
            names = [name]
        else:
            prefix = f"{inside}/" if inside else ""
            names = [name.removeprefix(prefix) for name in everything if name.startswith(prefix)]
        return cls(source, match["repo"], str(info.sha), inside, tuple(sorted(names)), everything)

    def fetch(self, name: str, beside: tuple[str, ...]) -> Path:
        """A file on this machine, with those of the files ``beside`` that there are; all names relative to the folder."""
        wanted = [posixpath.normpath(posixpath.join(self.inside, other)) for other in (*beside, name)]

        def fetched(hub: Any) -> str:
            paths = [
                hub.HfApi().hf_hub_download(self.repo, file, revision=self.commit)
                for file in wanted
                if file in self.elsewhere
            ]
            return str(paths[-1])

        return Path(_asked(self.source, fetched))


def _asked(source: str, ask: Any) -> Any:
    """Whatever is wrong with the hub, the name or the line to it, as an InputError."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError("a dictionary on the hub", "local") from error
    try:
        return ask(huggingface_hub)
    except Exception as error:  # the hub's errors, those of the line, and those of the disk have no common base
        reason = next(iter(str(error).strip().splitlines()), "")[:200] or type(error).__name__
        raise InputError(f"cannot fetch '{source}': {reason}") from error


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
