"""What was expensive to make, kept in this machine's cache for every process that comes after."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from labeler.models.names import cache_folder

MOST = 4 << 30
"""Bytes that are kept in one file; what is made beyond them is made again by the next process."""

PATIENCE = 30.0
"""Seconds that one process waits for another that writes."""

_AT_ONCE = 500

Key = TypeVar("Key", str, int)


class Kept:
    """Bytes by key, in a file that the processes of a machine share.

    A cache: where it cannot be written or is damaged nothing is found, and whoever asks makes things anew.
    """

    def __init__(self, name: str) -> None:
        self._path = cache_folder() / "evidence" / f"{name}.sqlite"

    def get(self, keys: Sequence[Key]) -> dict[Key, bytes]:
        """What is there of some keys."""
        found: dict[Key, bytes] = {}
        try:
            if self._path.exists():
                with closing(self._opened()) as database:
                    for first in range(0, len(keys), _AT_ONCE):
                        part = keys[first : first + _AT_ONCE]
                        marks = ",".join("?" * len(part))
                        found.update(database.execute(f"SELECT key, value FROM kept WHERE key IN ({marks})", part))  # noqa: S608
        except (sqlite3.Error, OSError):
            pass
        return found

    def put(self, values: Mapping[Key, bytes]) -> None:
        """Keep some more, all or none of them; what is there already stays."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._opened()) as database, database:
                if self._path.stat().st_size < MOST:
                    database.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?)", values.items())
        except (sqlite3.Error, OSError):
            pass

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=PATIENCE)
        try:
            database.execute("CREATE TABLE IF NOT EXISTS kept (key PRIMARY KEY, value BLOB)")
        except sqlite3.Error:
            database.close()
            raise
        return database


def kept_folder(name: str, write: Callable[[Path], None]) -> Path:
    """A folder of this machine's cache; where it is not there yet ``write`` fills it, and it appears whole or not at all.

    Where the cache cannot be written it is one for this process.
    """
    target = cache_folder() / "evidence" / name
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    except OSError:
        scratch = Path(tempfile.mkdtemp(prefix="labeler-"))
        target = scratch / name
    try:
        made = scratch / "made"
        made.mkdir()
        write(made)
        try:
            made.rename(target)
        except OSError:  # another process was faster; what it made is as good
            if not target.exists():
                raise
    finally:
        if target.parent != scratch:
            shutil.rmtree(scratch, ignore_errors=True)
    return target
