"""Whatever lies at a path -> a store, by its format; what a user points at is often the folder around it, or a part."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from labeler.errors import InputError
from labeler.evidence.collect.publish import recover
from labeler.evidence.importers import open_foreign
from labeler.evidence.importers.delphi import open_delphi
from labeler.evidence.importers.delphi_store import import_cache
from labeler.evidence.importers.files import one_line
from labeler.evidence.importers.importing import import_features
from labeler.evidence.importers.registry import recognise
from labeler.evidence.store.storage import alone, check_name
from labeler.evidence.store.store import EvidenceStore
from labeler.progress import Progress, silent

PARTS = ("activations", "explanations", "features", "scores")
"""Folders that are parts of an export, and none by themselves."""

DEPTH = 4
"""Folders within folders that are looked into: ``v1/gpt2-small/6-res-jb`` in the folder of a zip file."""

MOST = 2_000
"""Folders that are looked into, at most."""

SHOWN = 10
"""Exports that a message lists, at most."""

_LINES = re.compile(r".+\.jsonl(\.gz)?")

Health = Literal["sound", "damaged"]


def find_export(path: Path) -> Path:
    """The path itself where it is of a known format; else the one export below it, or around it where it is a part of one.

    The path itself, too, where there is no export: opening it says what is wrong. Raises InputError, in one line that
    lists them, where there are several.
    """
    if not path.exists() or health(path) is not None:
        return path
    base, found = path, _below(path) if path.is_dir() else []
    part = _part(path)
    if not found and part is not None:
        base = part.parent
        found = [base] if health(base) is not None else _below(base)
    if len(found) > 1:
        names = ", ".join(str(one.relative_to(base)) for one in found[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise InputError(one_line(f"'{base}' holds {len(found)} exports; give one of them: {names}{more}"))
    return found[0] if found else path


def health(path: Path) -> Health | None:
    """Whether a path is of a known format and can be opened; None where it is of none."""
    try:
        return "sound" if open_delphi(path) is not None or recognise(path) is not None else None
    except InputError:
        return "damaged"


def _part(path: Path) -> Path | None:
    """The part of an export that a path is, or that a file lies in."""
    folder = (path if path.is_dir() else path.parent).absolute()
    return folder if folder.name in PARTS else None


def _below(path: Path) -> list[Path]:
    """The exports in a folder's folders; damaged ones only where no other is there."""
    found = {one: state for one in _places(path) if (state := health(one)) is not None}
    # What lies within an export is a part of it.
    outer = [one for one in found if not any(above in found for above in one.parents)]
    return [one for one in outer if found[one] == "sound"] or outer


def _places(path: Path) -> Iterator[Path]:
    """The folders below a path, and the files of lines in these and in itself, but hidden ones and those of Apple's zip."""
    for root, folders, files in islice(os.walk(path), MOST):
        folder = Path(root)
        deep = len(folder.relative_to(path).parts)
        folders[:] = [] if deep == DEPTH else sorted(n for n in folders if not n.startswith(".") and n != "__MACOSX")
        if deep:
            yield folder
        yield from (folder / name for name in sorted(files) if _LINES.fullmatch(name) and not name.startswith("."))


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
