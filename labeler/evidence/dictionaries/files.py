"""Files that weights come in. None of them may run code, or claim more memory than it has bytes; all may be damaged."""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from labeler.errors import InputError


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turns whatever a parser raises into an InputError that names the file and what it should have been.

    A hostile file can bring a parser to raise nearly anything; only the parser's call belongs inside.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected {expected}") from error
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "")[:200] or type(error).__name__
        raise InputError(f"{path}: not {expected} ({reason})") from error


SWELL = 20
"""How much larger than its file an .npz may unpack: float weights hardly shrink."""


def read_safetensors(path: Path) -> Weights:
    """A .safetensors file; its reader checks every claim of the header against the file's size."""
    with reading(path, "a readable safetensors file"):
        return Weights(path, load_file(path))


def read_npz(path: Path) -> Weights:
    """An .npz file of plain float arrays. Raises InputError before it unpacks what is out of proportion, or objects."""
    with reading(path, "an .npz file of plain arrays"), zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        if sum(member.file_size for member in members) > SWELL * path.stat().st_size + 2**20:
            raise InputError(f"{path}: unpacks to far more than its size; expected weights, which hardly shrink")
        arrays = {}
        for member in members:
            with archive.open(member) as file:
                arrays[member.filename.removesuffix(".npy")] = torch.from_numpy(_array(file, member.file_size))
    return Weights(path, arrays)


def _array(file: IO[bytes], size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The array of an .npy stream of this many bytes; ValueError where header and size disagree."""
    major, _ = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(file)
    if dtype.kind != "f":
        raise ValueError(f"an array of {dtype}, expected floats")
    if math.prod(shape) * dtype.itemsize != size - file.tell():
        raise ValueError("the header of an array claims more or less than there is")
    flat = np.frombuffer(file.read(), dtype)
    with np.errstate(over="ignore"):  # what becomes infinite is refused as such
        return np.array(flat.reshape(shape, order="F" if fortran else "C"), dtype=np.float32, order="C")


def read_torch(path: Path) -> Weights:
    """A .pt file of tensors and plain values; what could run code is refused, not loaded."""
    with reading(path, "a file that torch.save wrote (since version 1.6)"), zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise InputError(f"{path}: compressed, which torch.save never does; save the tensors anew")
    try:
        with warnings.catch_warnings(action="ignore"):  # it warns of odd pickles, and then refuses them
            values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # its own message advises to load the file unsafely, and is not passed on
        raise InputError(
            f"{path}: damaged, or a pickle that could run code, which is never loaded; save its tensors as safetensors"
        ) from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds no named tensors; expected a state dict")
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            _check_plain(path, name, value)
    return Weights(path, values)


def _check_plain(path: Path, name: object, tensor: torch.Tensor) -> None:
    """A pickle may also describe a tensor that repeats a few bytes for ever, or has none: InputError."""
    dense = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not dense or tensor.numel() * tensor.element_size() > path.stat().st_size:
        raise InputError(f"{path}: {name} is no dense tensor, or larger than its file")


@dataclass(frozen=True, eq=False)
class Weights:
    """What a file holds, by name; values that are no tensors may stand among them."""

    path: Path | str
    """The file, or what the object in memory is called that they come from."""
    values: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def need(self, *names: str, kind: str) -> None:
        """Raises InputError naming every tensor that a dictionary of this kind has and the file has not."""
        missing = [name for name in names if name not in self.values]
        if missing:
            raise InputError(f"{self.path}: no tensor {', '.join(missing)}; {kind} has {', '.join(names)}")

    def matrix(self, name: str) -> Tensor:
        """float32, of two dimensions, not empty."""
        tensor = self._floats(name)
        if tensor.ndim != 2:
            raise InputError(f"{self.path}: {name} has {tensor.ndim} dimensions, expected 2")
        if not tensor.numel():
            raise InputError(f"{self.path}: {name} has shape {list(tensor.shape)}: it is empty")
        return tensor

    def take(self, name: str, *shape: int) -> Tensor:
        """float32, of this shape."""
        tensor = self._floats(name)
        if tensor.shape != shape:
            raise InputError(f"{self.path}: {name} has shape {list(tensor.shape)}, expected {list(shape)}")
        return tensor

    def number(self, name: str) -> float:
        """A tensor of one element, as a number."""
        tensor = self._tensor(name)
        if tensor.numel() != 1 or tensor.is_complex():
            raise InputError(f"{self.path}: {name} has shape {list(tensor.shape)}, expected a single number")
        number = float(tensor)
        if not math.isfinite(number):
            raise InputError(f"{self.path}: {name} is {number}, expected a finite number")
        return number

    def whole(self, name: str) -> int:
        """A tensor of one element, as a whole number."""
        number = self.number(name)
        if not number.is_integer():
            raise InputError(f"{self.path}: {name} is {number}, expected a whole number")
        return int(number)

    def _floats(self, name: str) -> Tensor:
        tensor = self._tensor(name)
        if not tensor.is_floating_point():
            raise InputError(f"{self.path}: {name} holds {str(tensor.dtype).removeprefix('torch.')}, expected floats")
        return tensor.float()

    def _tensor(self, name: str) -> Tensor:
        value = self.values.get(name)
        if not isinstance(value, torch.Tensor):
            raise InputError(f"{self.path}: {name} is no tensor")
        return value.detach()
