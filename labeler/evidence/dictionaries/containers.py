"""The three kinds of file that weights come in. None of them may run code, or claim more memory than it has bytes."""

from __future__ import annotations

import math
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors.torch import load_file

from labeler.errors import InputError
from labeler.evidence.dictionaries.damage import reading
from labeler.evidence.dictionaries.weights import Weights

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
    major, _ = np.lib.format.read_magic(file)  # type: ignore[arg-type]
    header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(file)  # type: ignore[arg-type]
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
