"""What was expensive to make, kept in this machine's cache for every process that comes after.

It is only a cache: what is missing or damaged there is made anew, and takes the damaged one's place; where nothing can be
read or written, things are made as if nothing were kept.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from labeler.evidence.store.storage import DamagedFileError
from labeler.models.names import cache_folder

MOST = 4 << 30
"""Bytes that are kept in one file; what is made beyond them is made again by the next process."""

PATIENCE = 30.0
"""Seconds that one process waits for another that writes."""

_AT_ONCE = 500

_SEAL = 4  # bytes of a checksum before every value

_DAMAGED = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_NOTADB)
"""What SQLite says of a file that is no database, of parts that are missing, and of tables that are others than ours."""

Key = TypeVar("Key", str, int)
T = TypeVar("T")


class Kept:
    """Bytes by key, in a file that the processes of a machine share; a value that is not as it was put is not found."""

    def __init__(self, name: str) -> None:
        self._name = f"{name}.sqlite"

    def get(self, keys: Sequence[Key]) -> dict[Key, bytes]:
        """What is there of some keys."""
        found: dict[Key, bytes] = {}

        def look(database: sqlite3.Connection) -> None:
            for first in range(0, len(keys), _AT_ONCE):
                part = keys[first : first + _AT_ONCE]
                marks = ",".join("?" * len(part))
                rows = database.execute(f"SELECT key, CAST(value AS BLOB) FROM kept WHERE key IN ({marks})", part)  # noqa: S608
                found.update(
                    (key, sealed[_SEAL:]) for key, sealed in rows if sealed == _sealed(key, (sealed or b"")[_SEAL:])
                )

        self._with_database(look, make=False)
        return found

    def put(self, values: Mapping[Key, bytes]) -> None:
        """Keep some more, all or none of them; one takes the place of what is there under its key."""

        def write(database: sqlite3.Connection) -> None:
            (pages,), (size,) = (database.execute(f"PRAGMA {one}").fetchone() for one in ("page_count", "page_size"))
            if pages * size < MOST:
                entries = ((key, _sealed(key, value)) for key, value in values.items())
                database.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", entries)

        if not self._with_database(write, make=True):
            self._with_database(write, make=True)  # it was damaged, and is gone

    def _with_database(self, work: Callable[[sqlite3.Connection], None], make: bool) -> bool:
        """Do something with the file as far as that is possible; returns whether it was whole, and removes one that is not."""
        try:
            path = cache_folder() / "evidence" / self._name
            if make:
                path.parent.mkdir(parents=True, exist_ok=True)
            elif not path.exists():
                return True
            try:
                with closing(sqlite3.connect(path, timeout=PATIENCE)) as database, database:
                    database.execute("CREATE TABLE IF NOT EXISTS kept (key PRIMARY KEY, value BLOB)")
                    work(database)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # of which the second: what it says is no text
                if isinstance(error, UnicodeDecodeError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
                    path.unlink(missing_ok=True)
                    return False
        except (sqlite3.Error, OSError):
            pass
        return True


def _sealed(key: object, value: bytes) -> bytes:
    """A value behind a sum of it and of what it is kept under."""
    return zlib.crc32(value, zlib.crc32(repr(key).encode())).to_bytes(_SEAL, "little") + value


def kept_folder(name: str, write: Callable[[Path], None], read: Callable[[Path], T]) -> T:
    """What ``read`` makes of a folder of this machine's cache; where it is not there yet, or damaged, ``write`` fills it.

    The folder appears whole or not at all. Where the cache cannot be written it lies elsewhere and is gone as soon as it
    has been read: ``read`` opens whatever is to be looked at later, and raises DamagedFileError for what is damaged.
    """
    try:
        target = cache_folder() / "evidence" / name
        if target.exists():
            with suppress(DamagedFileError):
                return read(target)
        damaged = target.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        with _made(target.parent, write) as made:
            found = read(made)
            if damaged:
                shutil.rmtree(target, ignore_errors=True)
            with suppress(OSError):  # another process was faster; what it made is as good
                made.rename(target)
            return found
    except OSError:  # no home, not ours to write, full
        with _made(None, write) as made:
            return read(made)


@contextmanager
def _made(parent: Path | None, write: Callable[[Path], None]) -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=parent))
    try:
        made = scratch / "made"
        made.mkdir()
        write(made)
        yield made
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
