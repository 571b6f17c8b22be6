"""Where things rest on this machine, and where evidence is read from."""

from __future__ import annotations

import fcntl
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.store.storage import MANIFEST, filesystem, is_remote, shown
from labeler.evidence.store.store import EvidenceStore
from labeler.nearest import meant


def open_store(shelf: str, name: str) -> EvidenceStore:
    """The evidence of a dictionary by its name, as it is now; InputError where there is none."""
    if name not in names(shelf):
        here = ", ".join(names(shelf)) or "none yet"
        raise InputError(
            f"no dictionary '{name}' in '{shown(shelf)}' (here: {here}){meant(name, names(shelf))}; "
            "make one with `labeler.collect` or `labeler.import_evidence`"
        )
    if is_remote(shelf):
        place = f"{shelf.rstrip('/')}/{name}"
        # What another machine wrote cannot be told apart by its time: the manifest itself is asked.
        return _opened(place, hash(filesystem(place).cat_file(f"{place}/{MANIFEST}")))
    folder = Path(shelf) / name
    return _opened(str(folder), (folder / MANIFEST).stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _opened(place: str, _changed: int) -> EvidenceStore:
    return EvidenceStore(place)


def names(shelf: str) -> list[str]:
    """The dictionaries that are here."""
    if is_remote(shelf):
        files = filesystem(shelf)
        try:
            inside = {path.rstrip("/").split("/")[-1] for path in files.ls(shelf, detail=False)}
            return sorted(n for n in inside if n[:1] != "." and files.exists(f"{shelf.rstrip('/')}/{n}/{MANIFEST}"))
        except Exception as error:  # every filesystem has its own kinds
            kind = shelf.partition("://")[0]
            raise InputError(f"cannot list the dictionaries at {kind}://…: {type(error).__name__}") from error
    return sorted(path.parent.name for path in Path(shelf).glob(f"[!.]*/{MANIFEST}"))


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
