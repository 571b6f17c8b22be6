"""What is done to an activation before it is encoded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Norm = Literal["none", "layer", "constant"]

EPSILON = 1e-5
"""What layer normalisation adds to the deviation, in SAELens and in OpenAI's autoencoders alike."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Input:
    """Centred, normalised token by token, scaled, shifted: in this order."""

    centre: bool = False
    """Each token's own mean is taken off: what TransformerLens's ``center_writing_weights`` does to the residual stream of
    a model with LayerNorms, which itself never notices."""
    norm: Norm = "none"
    """``layer``: mean 0 and deviation 1 (of the sample, as torch has it); ``constant``: norm sqrt(d_model)."""
    scale: float = 1.0
    shift: Tensor | None = None
    """[d_model] what is taken off at last, mostly the decoder's bias."""

    def __call__(self, x: Tensor) -> Tensor:
        """x [n, d_model] -> [n, d_model]; x itself where there is nothing to do."""
        if self.centre:
            x = x - x.mean(dim=-1, keepdim=True)
        if self.norm == "layer":
            x = x - x.mean(dim=-1, keepdim=True)
            x = x / (x.std(dim=-1, keepdim=True) + EPSILON)
        elif self.norm == "constant":
            x = x * (math.sqrt(x.shape[-1]) / x.norm(dim=-1, keepdim=True))
        if self.scale != 1:
            x = x * self.scale
        return x if self.shift is None else x - self.shift

    def wrong(self, d_model: int) -> str:
        """What does not fit an input of this width; '' where all does."""
        if self.shift is not None and self.shift.shape != (d_model,):
            return f"what is taken off the input has shape {list(self.shift.shape)}, expected [{d_model}]"
        return ""
