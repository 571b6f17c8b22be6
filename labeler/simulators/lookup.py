"""The control: a table of how active a feature is on average on each token, which any good label should beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeler.features import FloatArray, Frame


def fit(frame: Frame, ids: NDArray[np.int32]) -> dict[int, float]:
    """The weighted mean activation of every token: ids [n, length] -> token -> mean, where it is not 0."""
    weight = np.broadcast_to(frame.weight[:, None], ids.shape)[frame.mask]
    tokens, where = np.unique(ids[frame.mask], return_inverse=True)
    total = np.bincount(where, weight * frame.truth[frame.mask])
    count = np.bincount(where, weight)
    return {int(token): float(t / c) for token, t, c in zip(tokens, total, count, strict=True) if t > 0}


def predict(table: dict[int, float], ids: NDArray[np.int32]) -> FloatArray:
    """The table's activation for every token: [n, length]; 0 where the token was never seen."""
    known = np.array(sorted(table), dtype=np.int64)
    if not len(known):
        return np.zeros(ids.shape, dtype=np.float32)
    values = np.array([table[int(token)] for token in known], dtype=np.float32)
    at = np.clip(np.searchsorted(known, ids), 0, len(known) - 1)
    return np.where(known[at] == ids, values[at], 0.0).astype(np.float32)
