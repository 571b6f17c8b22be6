"""Where things rest on this machine."""

from __future__ import annotations

import fcntl
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.store import EvidenceStore


def dictionaries_folder(home: Path) -> Path:
    """The folder that holds a folder of evidence for each dictionary."""
    return home / "dictionaries"


def open_store(home: Path, name: str) -> EvidenceStore:
    """The evidence of a dictionary by its name, as it is now; InputError where there is none."""
    folder = dictionaries_folder(home) / name
    manifest = folder / "manifest.json"
    if name not in names(home) or not manifest.is_file():
        here = ", ".join(names(home)) or "none yet"
        raise InputError(f"no dictionary '{name}' in '{home}' (here: {here}); make one with `labeler collect`")
    return _opened(folder, manifest.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _opened(folder: Path, _changed: int) -> EvidenceStore:
    return EvidenceStore(folder)


def names(home: Path) -> list[str]:
    """The dictionaries that are here."""
    return sorted(path.parent.name for path in dictionaries_folder(home).glob("[!.]*/manifest.json"))


@contextmanager
def only_worker(home: Path) -> Iterator[bool]:
    """Whether this process is the home's only embedded worker while the context lasts; the system frees a dead one's."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "worker.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
