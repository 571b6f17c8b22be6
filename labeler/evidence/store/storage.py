"""Files of a store: safetensors that are checked when they are opened, in a local folder or at an fsspec URL, under a lock."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import mmap
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from labeler.errors import InputError
from labeler.evidence.store.manifest import File, Manifest, sha256_of
from labeler.models.names import cache_folder

_DTYPES = {
    "BOOL": np.bool_,
    "I8": np.int8,
    "U8": np.uint8,
    "U16": np.uint16,
    "U32": np.uint32,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}


class DamagedFileError(InputError):
    """A file of a store or of an unfinished collection that cannot be read."""

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(f"{path}: damaged ({why}); bring back a good copy, or make the evidence anew")


class Tensors(Mapping[str, NDArray[Any]]):
    """The arrays of a file by name, and its metadata; nothing is read before it is looked at."""

    def __init__(self, path: Path) -> None:
        """Raises DamagedFileError where the file is missing, cut off, or says of itself what cannot be."""
        self.path = path
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            size = int.from_bytes(mapped[:8], "little")
            if size > len(mapped) - 8:
                raise ValueError("its header is cut off")
            header = json.loads(mapped[8 : 8 + size])
            self.metadata: dict[str, str] = header.pop("__metadata__", {})
            self._arrays = {name: _array(mapped, 8 + size, **entry) for name, entry in header.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DamagedFileError(path, str(error) or type(error).__name__) from error

    def __getitem__(self, name: str) -> NDArray[Any]:
        try:
            return self._arrays[name]
        except KeyError:
            raise DamagedFileError(self.path, f"it has no '{name}'") from None

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def _array(mapped: mmap.mmap, base: int, *, dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[Any]:
    kind = np.dtype(_DTYPES[dtype])
    begin, end = data_offsets
    if min(shape, default=0) < 0 or not 0 <= begin <= end <= len(mapped) - base:
        raise ValueError("its data is cut off")
    count = math.prod(shape)
    if count * kind.itemsize != end - begin:
        raise ValueError("its header contradicts itself")
    return np.frombuffer(mapped, kind, count, base + begin).reshape(shape)


def write_tensors(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays by name; the file appears whole or not at all. Raises OSError where it cannot be written."""
    part = path.with_name(path.name + ".part")
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        try:
            save_file(whole, part, metadata=dict(metadata or {}))
        except SafetensorError as error:  # a disk that is full, a folder that is not ours
            raise OSError(f"cannot write {path}: {error}") from error
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def packed(strings: list[str]) -> NDArray[np.uint8]:
    """Strings as an array of bytes (JSON)."""
    return np.frombuffer(json.dumps(strings).encode(), dtype=np.uint8)


def unpacked(array: NDArray[np.uint8]) -> list[str]:
    """The strings that ``packed`` put in."""
    return list(json.loads(array.tobytes()))


def rising(offsets: NDArray[np.integer[Any]], end: int) -> bool:
    """Whether offsets go from 0 to the end and never back."""
    return len(offsets) > 0 and int(offsets[0]) == 0 and int(offsets[-1]) == end and bool((np.diff(offsets) >= 0).all())


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


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: str) -> str:
    """The name itself; InputError where it could not be a folder's."""
    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' cannot name a dictionary; use letters, digits, '.', '_' and '-', at most 100")
    return name


@contextmanager
def alone(dictionaries: Path, name: str) -> Iterator[None]:
    """Keeps a second call for the same name out; the system frees the lock of a call that was killed."""
    dictionaries.mkdir(parents=True, exist_ok=True)
    path = dictionaries / f".{name}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one before removes its lock when it is done: what was opened just then is nobody's lock any more.
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                raise OSError
        except OSError:
            raise InputError(
                f"'{name}' is being made by another process; wait for it, or choose another `name`"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
