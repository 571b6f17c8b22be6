"""Where a store's files lie: a folder of this machine, or any place that fsspec reaches."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from pathlib import Path, PurePosixPath
from typing import Any

from labeler.errors import InputError
from labeler.evidence.manifest import File, Manifest, sha256_of
from labeler.evidence.tensors import DamagedFileError
from labeler.models.names import cache_folder

MANIFEST = "manifest.json"


def is_remote(place: str | Path) -> bool:
    """Whether a place is an fsspec URL rather than a folder."""
    return "://" in str(place)


def shown(place: str) -> str:
    """A place as a message may name it: without a password."""
    return re.sub(r"//[^/@]*@", "//", place.rstrip("/"))


class Shelf:
    """The files of one store, each checked before it is first used: a truncated or altered one is refused by name."""

    def __init__(self, place: str | Path) -> None:
        self.place = str(place)
        self.shown = shown(self.place)
        """The place as a message may name it."""
        self._checked: dict[str, Path] = {}
        self._lock = threading.Lock()

    def manifest(self) -> Manifest:
        """The store's manifest; InputError where there is none or it is damaged."""
        where = f"{self.shown}/{MANIFEST}"
        try:
            text = self._read(MANIFEST).decode("utf-8")
        except InputError:
            raise
        except Exception as error:  # every filesystem has its own kinds
            raise InputError(f"{where}: no evidence here ({type(error).__name__})") from error
        return Manifest.parse(text, where)

    def file(self, name: str, expected: File) -> Path:
        """A file of this machine with what the store has under a name; a remote one is fetched once and kept.

        Raises DamagedFileError where it is missing or not what the manifest says.
        """
        with self._lock:
            if name not in self._checked:
                if PurePosixPath(name).name != name:
                    raise InputError(f"{self.shown}: the manifest names a file outside the store ('{name}')")
                found = self._fetch if is_remote(self.place) else self._local
                self._checked[name] = found(name, expected)
            return self._checked[name]

    def check(self, name: str, expected: File) -> None:
        """See that a file is there and as long as it should be; its bytes are not read."""
        try:
            size = self._filesystem().size(self._at(name)) if is_remote(self.place) else os.stat(self._at(name)).st_size
        except InputError:
            raise
        except Exception as error:  # every filesystem has its own kinds
            raise DamagedFileError(f"{self.shown}/{name}", "missing, or cannot be looked at") from error
        if size != expected.bytes:
            raise DamagedFileError(f"{self.shown}/{name}", f"{size:,} bytes, should be {expected.bytes:,}")

    def verify(self, name: str, expected: File) -> None:
        """Read a file where it lies, and see that it holds what was written."""
        self.check(name, expected)
        if is_remote(self.place):
            digest = hashlib.sha256()
            with self._filesystem().open(self._at(name), "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
            if digest.hexdigest() != expected.sha256:
                raise DamagedFileError(f"{self.shown}/{name}", "its bytes are not those that were written")
        else:
            self._local(name, expected)

    def _local(self, name: str, expected: File) -> Path:
        self.check(name, expected)
        path = Path(self.place) / name
        if sha256_of(path) != expected.sha256:
            raise DamagedFileError(path, "its bytes are not those that were written")
        return path

    def _fetch(self, name: str, expected: File) -> Path:
        # By content: what two stores share is fetched once, and a changed file can never be mistaken for the old one.
        target = cache_folder() / "evidence" / f"{expected.sha256}{Path(name).suffix}"
        if target.exists() and sha256_of(target) == expected.sha256:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=target.parent)
        os.close(handle)
        try:
            try:
                self._filesystem().get_file(self._at(name), scratch)
            except InputError:
                raise
            except Exception as error:  # every filesystem has its own kinds
                raise DamagedFileError(f"{self.shown}/{name}", f"cannot be fetched: {error}") from error
            if os.stat(scratch).st_size != expected.bytes or sha256_of(Path(scratch)) != expected.sha256:
                raise DamagedFileError(f"{self.shown}/{name}", "its bytes are not those that were written")
            os.replace(scratch, target)
        finally:
            Path(scratch).unlink(missing_ok=True)
        return target

    def _read(self, name: str) -> bytes:
        if is_remote(self.place):
            return bytes(self._filesystem().cat_file(self._at(name)))
        return (Path(self.place) / name).read_bytes()

    def _at(self, name: str) -> str:
        return f"{self.place.rstrip('/')}/{name}"

    def _filesystem(self) -> Any:
        return filesystem(self.place)


def filesystem(place: str) -> Any:
    """The fsspec filesystem of a URL; InputError where its scheme or what it needs is not installed."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(place)[0]
    except (ValueError, ImportError) as error:
        raise InputError(f"cannot read evidence from {place.partition('://')[0]}://…: {error}") from error
