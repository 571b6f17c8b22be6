"""The basis itself: what a model's own neurons, or the axes of its residual stream, are active on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labeler.errors import InputError
from labeler.evidence.dictionaries.activations import Threshold
from labeler.evidence.dictionaries.base import Dictionary

NAME = "neurons"
"""What stands in the place of a path."""


@dataclass(frozen=True)
class SignedAxes:
    """Every axis in both directions, one after the other: x0, -x0, x1, -x1, …; without a matrix."""

    d_model: int

    @property
    def n_features(self) -> int:
        """Two a neuron."""
        return 2 * self.d_model

    def __call__(self, x: Tensor) -> Tensor:
        """x [n, d_model] -> [n, 2 · d_model]."""
        return torch.stack((x, -x), dim=-1).flatten(1)

    def wrong(self) -> str:
        """Nothing can be."""
        return ""


def neurons(width: int) -> Dictionary:
    """The neurons of a hook point of this width, with two features each, for a neuron may mean something on either side.

    Feature 2i is neuron i where it is positive, 2i + 1 where it is negative: so ``index // 2`` is the neuron at any
    width, and both sides of one stand together in every listing. Raises InputError for a width below 1.
    """
    if width < 1:
        raise InputError(f"neurons of a hook point of width {width}; there must be at least one")
    return Dictionary(W_dec=None, b_dec=None, encoder=SignedAxes(width), activation=Threshold())
