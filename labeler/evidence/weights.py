"""What the weights alone say of a feature: the tokens that it promotes, and the features that point the same way."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PROMOTED = 10
"""Tokens listed on either side."""

NEAR = 8
"""Near-duplicates listed at most."""

NEAR_COSINE = 0.8
"""Decoder directions at least this close are near-duplicates."""


@torch.inference_mode()
def promoted_tokens(W_dec: Tensor, unembedding: Tensor) -> dict[str, NDArray[np.generic]]:
    """The tokens that each decoder direction makes most and least likely: W_dec [n, d], unembedding [vocabulary, d].

    Returns the store's arrays ``features.promoted``, ``features.suppressed`` (token ids [n, PROMOTED]) and their
    ``…_logits``, against the mean token.
    """
    unembedding = unembedding.float()
    unembedding = unembedding - unembedding.mean(dim=0)
    found: dict[str, list[Tensor]] = defaultdict(list)
    for rows in W_dec.float().to(unembedding.device).split(512):
        logits = rows @ unembedding.T
        for name, sign in (("promoted", 1.0), ("suppressed", -1.0)):
            values, ids = (sign * logits).topk(min(PROMOTED, logits.shape[1]), dim=-1)
            found[f"features.{name}"].append(ids.int().cpu())
            found[f"features.{name}_logits"].append((sign * values).float().cpu())
    return {name: torch.cat(parts).numpy() for name, parts in found.items()}


@torch.inference_mode()
def near_duplicates(W_dec: Tensor) -> NDArray[np.int32]:
    """The features whose decoder direction has a cosine of at least NEAR_COSINE: [n, NEAR], closest first, -1 for none."""
    unit = torch.nn.functional.normalize(W_dec.float(), dim=-1)
    width = min(NEAR, len(unit) - 1)
    near = np.full((len(unit), NEAR), -1, dtype=np.int32)
    for start in range(0, len(unit), 1024):
        cosines = unit[start : start + 1024] @ unit.T
        cosines[torch.arange(len(cosines)), torch.arange(start, start + len(cosines))] = -1
        values, ids = cosines.topk(width, dim=-1)
        near[start : start + len(ids), :width] = torch.where(values >= NEAR_COSINE, ids, -1).int().cpu().numpy()
    return near
