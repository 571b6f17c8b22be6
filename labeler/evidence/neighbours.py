"""Features that are close to each other, and who hangs together as near-duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.components import connected
from labeler.progress import tell

if TYPE_CHECKING:
    from torch import Tensor

NEAREST = 8
"""Nearest features listed."""

NEAR_COSINE = 0.8
"""Decoder directions at least this close are near-duplicates."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Neighbours:
    """The nearest features of every feature, and its group."""

    nearest: NDArray[np.int32]
    """[n, NEAREST] their places, closest first; -1 for none."""
    closeness: NDArray[np.float16]
    """[n, NEAREST] the cosine, or the share of contexts in common."""
    group: NDArray[np.int32]
    """[n] near-duplicates have the same number, the smallest place among them; -1 for a feature without any."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As the arrays of a file."""
        return dict(vars(self))


def by_direction(W_dec: Tensor) -> Neighbours:
    """By the cosine of decoder directions: [n_features, d_model]."""
    import torch

    with torch.inference_mode():
        unit = torch.nn.functional.normalize(W_dec.float(), dim=-1)
        n = len(unit)
        width = min(NEAREST, n - 1)
        nearest = np.full((n, NEAREST), -1, dtype=np.int32)
        closeness = np.zeros((n, NEAREST), dtype=np.float16)
        first = np.arange(n)
        for start in range(0, n, 1024):
            rows = torch.arange(start, min(start + 1024, n), device=unit.device)
            cosines = unit[rows] @ unit.T
            cosines[torch.arange(len(rows)), rows] = -1
            values, ids = cosines.topk(width, dim=-1)
            nearest[rows.cpu(), :width] = torch.where(values > 0, ids, -1).int().cpu().numpy()
            closeness[rows.cpu(), :width] = values.half().cpu().numpy()
            # Beside the nearest the first that is near: a large group then hangs together by its first member.
            near = cosines >= NEAR_COSINE
            hub = torch.where(near.any(dim=1), near.int().argmax(dim=1), rows)
            first[start : start + len(rows)] = hub.cpu().numpy()
            tell("finding neighbours", start + len(rows), n, "features")
    return Neighbours(nearest=nearest, closeness=closeness, group=groups(nearest, closeness, NEAR_COSINE, first))


def groups(
    nearest: NDArray[np.int32], closeness: NDArray[np.float16], least: float, first: NDArray[np.integer[Any]]
) -> NDArray[np.int32]:
    """Who hangs together by links of at least this closeness (and by those to ``first``): [n] -> [n], -1 where alone."""
    n = len(nearest)
    row, at = np.nonzero((closeness >= least) & (nearest >= 0))
    one = np.r_[row, np.arange(n)]
    other = np.r_[nearest[row, at], first]
    label = connected(n, one, other)
    members = np.bincount(label, minlength=n)
    return np.where(members[label] > 1, label, -1).astype(np.int32)
