"""Whatever lies at a path -> a store, by its format."""

from __future__ import annotations

import hashlib
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.delphi import import_cache
from labeler.evidence.finding import find_export
from labeler.evidence.finishing import recover
from labeler.evidence.formats import open_foreign
from labeler.evidence.formats.delphi import open_delphi
from labeler.evidence.imports import import_features
from labeler.evidence.place import alone, check_name
from labeler.evidence.store import EvidenceStore
from labeler.progress import Progress, silent


def bring(path: Path, name: str, dictionaries: Path, model: str | None, progress: Progress = silent) -> EvidenceStore:
    """Import what lies at ``path`` as ``dictionaries``/name.

    The export may also lie in a folder below, or around it (see ``find_export``). Raises InputError where nothing or
    several are there, no format fits, the files are damaged, or the name stands for something else; nothing is left then.
    """
    check_name(name)
    if not path.exists():
        raise InputError(f"nothing to import at '{path}'; give a file or a folder")
    path = find_export(path)
    cache = open_delphi(path)
    foreign = None if cache else open_foreign(path)
    target = dictionaries / name
    with alone(dictionaries, name):
        recover(target)
        if cache is not None:
            return import_cache(cache, target, str(path), fingerprint(path), model, progress)
        assert foreign is not None
        return import_features(foreign, target, str(path), fingerprint(path), progress)


def fingerprint(path: Path) -> str:
    """The SHA-256 over the names and contents of a file, or of all files of a folder but hidden ones."""
    digest = hashlib.sha256()
    files = (
        [path]
        if path.is_file()
        else sorted(p for p in path.rglob("*") if p.is_file() and not hidden(p.relative_to(path)))
    )
    for file in files:
        digest.update(str(file.relative_to(path)).encode("utf-8", "surrogateescape") + b"\0")
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def hidden(path: Path) -> bool:
    """Whether a path goes through a name with a dot before it, as this project's own home has."""
    return any(part.startswith(".") for part in path.parts)
