"""Tensors out of one untrusted file, asked for by name and shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labeler.errors import InputError


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
