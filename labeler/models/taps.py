"""Seeing what passes through a module, and what a norm has learned."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Tap:
    """One side of a module."""

    module: nn.Module
    side: str
    """``output``, ``input``, or ``normalised``: what a norm makes of its input before its learned scale and shift."""

    @classmethod
    def at(cls, block: nn.Module, path: str) -> Tap:
        """The tap at a path in the language of ``labeler.models.hooks``; AttributeError where it leads nowhere."""
        if path == "input" or path.endswith(".input"):
            return cls(block.get_submodule(path.removesuffix("input").removesuffix(".")), "input")
        module, _, side = path.partition(":")
        return cls(block.get_submodule(module), side or "output")


class _Enough(Exception):  # noqa: N818 - a signal, not an error
    """Ends a forward pass once everything that was wanted has been seen."""


@contextmanager
def tapped(taps: Sequence[Tap]) -> Iterator[list[Tensor | None]]:
    """Keeps what passes each tap during the forward pass in the block, and ends that pass after the last of them.

    None stays where nothing passed, or no tensor.
    """
    kept: list[Tensor | None] = [None] * len(taps)
    waiting = set(range(len(taps)))

    def keep(i: int, value: Any) -> None:
        kept[i] = value if isinstance(value, Tensor) else None
        waiting.discard(i)
        if not waiting:
            raise _Enough

    def listen(i: int, tap: Tap) -> Any:
        if tap.side == "output":
            return tap.module.register_forward_hook(
                lambda _module, _args, output: keep(i, output[0] if isinstance(output, tuple) else output)
            )

        return tap.module.register_forward_pre_hook(
            lambda _module, args, kwargs: keep(i, args[0] if args else kwargs.get("hidden_states")), with_kwargs=True
        )

    handles = [listen(i, tap) for i, tap in enumerate(taps)]
    try:
        with suppress(_Enough):
            yield kept
    finally:
        for handle in handles:
            handle.remove()
    for i, (tap, read) in enumerate(zip(taps, kept, strict=True)):
        if tap.side == "normalised" and read is not None:
            kept[i] = normalised(tap.module, read)


@torch.no_grad()
def gain(norm: nn.Module, width: int) -> Tensor:
    """The learned scale of a norm over ``width`` dimensions: [width], float32.

    It is asked rather than looked up, for some families store the scale and others what it exceeds 1 by.
    """
    norm = copy.deepcopy(norm).float()
    device = next((p.device for p in norm.parameters()), None)
    # Mean 0, so that it does not matter whether the norm centres, and large, so that its epsilon does not.
    x = torch.ones(width, device=device)
    x[1::2] = -1
    found: Tensor = (norm(1e3 * x) - norm(-1e3 * x)) / 2 * x
    return found


@torch.no_grad()
def normalised(norm: nn.Module, x: Tensor) -> Tensor:
    """What a norm makes of x before its learned scale and shift, computed in float32."""
    norm = copy.deepcopy(norm).float()
    for parameter in norm.parameters():
        parameter.zero_()
    if not bool(gain(norm, x.shape[-1]).any()):  # it stores the scale itself, not what it exceeds 1 by
        norm.get_parameter("weight").fill_(1)
    found: Tensor = norm(x.float())
    return found.to(x.dtype)
