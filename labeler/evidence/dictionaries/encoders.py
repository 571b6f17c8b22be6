"""From an input to what each feature makes of it, before any activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Encoder(Protocol):
    """A linear map."""

    @property
    def d_model(self) -> int:
        """Width of what it reads."""
        ...

    @property
    def n_features(self) -> int:
        """Width of what it gives."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """x [n, d_model] -> pre-activations [n, n_features], a tensor that the caller may write into."""
        ...

    def wrong(self) -> str:
        """What does not fit together; '' where all does."""
        ...


@dataclass(frozen=True, eq=False)
class Linear:
    """A matrix and a bias."""

    W_enc: Tensor
    """[d_model, n_features]"""
    b_enc: Tensor
    """[n_features]"""

    @property
    def d_model(self) -> int:
        """Width of what it reads."""
        return int(self.W_enc.shape[0])

    @property
    def n_features(self) -> int:
        """Width of what it gives."""
        return int(self.W_enc.shape[1])

    def __call__(self, x: Tensor) -> Tensor:
        """x [n, d_model] -> [n, n_features]; the bias rides along in the product, which saves a pass over the result."""
        return torch.addmm(self.b_enc, x, self.W_enc)

    def wrong(self) -> str:
        """What does not fit together; '' where all does."""
        if self.b_enc.shape != (self.n_features,):
            return f"b_enc has shape {list(self.b_enc.shape)}, expected [{self.n_features}]"
        return ""
