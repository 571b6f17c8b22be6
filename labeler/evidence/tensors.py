"""Named arrays in one file: written whole or not at all, read through the memory map (the safetensors format)."""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from labeler.errors import InputError

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
