"""Walking through data classes that hold tensors and data classes that hold tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def leaves(tree: Any) -> Iterator[tuple[str, str, Any]]:
    """Every value that is no data class itself: the class that holds it, the field's name, the value."""
    for field in fields(tree):
        value = getattr(tree, field.name)
        if is_dataclass(value):
            yield from leaves(value)
        else:
            yield type(tree).__name__, field.name, value


def moved(tree: T, device: torch.device | str) -> T:
    """The same with every tensor on the device."""
    changed: dict[str, Any] = {}
    for field in fields(tree):  # type: ignore[arg-type]
        value = getattr(tree, field.name)
        if isinstance(value, Tensor):
            changed[field.name] = value.to(device)
        elif is_dataclass(value):
            changed[field.name] = moved(value, device)
    return replace(tree, **changed)  # type: ignore[type-var]
