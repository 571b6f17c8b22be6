"""From pre-activations to what is active: one rule a class.

Each rule takes pre-activations [n, n_features] to rows, features and values, each [n_active]. Nothing negative or zero is
active. A NaN is, for whoever asked must be able to refuse it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Active = tuple[Tensor, Tensor, Tensor]


class Activation(Protocol):
    """A rule."""

    def __call__(self, pre: Tensor) -> Active:
        """pre [n, n_features] -> rows, features, values, each [n_active]."""
        ...

    def wrong(self, n_features: int) -> str:
        """What does not fit this many features; '' where all does."""
        ...


@dataclass(frozen=True, eq=False)
class TopK:
    """The ``k`` largest of every row (Gao et al., arXiv 2406.04093).

    On a CPU the selection takes a fifth of the time, the matrix product before it nearly all the rest. Selecting in two
    stages (a bound from maxima of groups, then the candidates above it) gains a twentieth of the whole: not worth it.
    """

    k: int

    def __call__(self, pre: Tensor) -> Active:
        """The largest of every row, those that are not positive left out."""
        values, features = pre.topk(self.k, dim=-1, sorted=False)
        return _positive(values, features)

    def wrong(self, n_features: int) -> str:
        """``k`` must be 1 to n_features."""
        return "" if 1 <= self.k <= n_features else f"k is {self.k}, expected 1 to {n_features}"


@dataclass(frozen=True, eq=False)
class GroupMax:
    """The largest of each of ``k`` groups of neighbouring features (sparsify)."""

    k: int

    def __call__(self, pre: Tensor) -> Active:
        """The largest of every group of every row, those that are not positive left out."""
        values, within = pre.unflatten(-1, (self.k, -1)).max(dim=-1)
        size = pre.shape[-1] // self.k
        return _positive(values, within + torch.arange(0, pre.shape[-1], size, device=pre.device))

    def wrong(self, n_features: int) -> str:
        """``k`` groups of one size must hold all features."""
        if 1 <= self.k <= n_features and n_features % self.k == 0:
            return ""
        return f"k is {self.k}, expected a number of groups that divides {n_features} features evenly"


@dataclass(frozen=True, eq=False)
class Threshold:
    """What exceeds a threshold: 0 for a ReLU, more for a JumpReLU (Rajamanoharan et al., arXiv 2407.14435)."""

    threshold: Tensor | float = 0.0
    """[n_features], or one for all; below 0 it is 0."""

    def __call__(self, pre: Tensor) -> Active:
        """All above the threshold, as they are."""
        floor = self.threshold.clamp(min=0) if isinstance(self.threshold, Tensor) else max(self.threshold, 0.0)
        rows, features = (pre <= floor).logical_not_().nonzero(as_tuple=True)
        return rows, features, pre[rows, features]

    def wrong(self, n_features: int) -> str:
        """One threshold a feature, or one for all."""
        return "" if isinstance(self.threshold, float) else _vector("threshold", self.threshold, n_features)


@dataclass(frozen=True, eq=False)
class Gated:
    """A gate that decides and a magnitude that tells, both from one product (Rajamanoharan et al., arXiv 2404.16014)."""

    scale: Tensor
    """[n_features] the magnitude's pre-activation is scale · the gate's + offset."""
    offset: Tensor
    """[n_features]"""

    def __call__(self, pre: Tensor) -> Active:
        """All whose gate is open and whose magnitude is positive."""
        rows, features = (pre <= 0).logical_not_().nonzero(as_tuple=True)
        values = pre[rows, features] * self.scale[features] + self.offset[features]
        on = ~(values <= 0)
        return rows[on], features[on], values[on]

    def wrong(self, n_features: int) -> str:
        """One scale and one offset a feature."""
        return _vector("r_mag", self.scale, n_features) or _vector("b_mag", self.offset, n_features)


def _positive(values: Tensor, features: Tensor) -> Active:
    """Both [n, k] -> those whose value is positive or NaN."""
    on = (values <= 0).logical_not_()
    return on.nonzero(as_tuple=True)[0], features[on], values[on]


def _vector(name: str, tensor: Tensor, n: int) -> str:
    return "" if tensor.shape == (n,) else f"{name} has shape {list(tensor.shape)}, expected [{n}]"
