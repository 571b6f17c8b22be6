"""Hashes of the stretches of a text, and which of them stand for it (winnowing, Schleimer, Wilkerson and Aiken 2003)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFT = np.uint64(31)


def hashed(letters: Hashes, size: int) -> Hashes:
    """The hash of every ``size`` letters in a row: [n] -> [n - size + 1]; of halves, then of halves of that."""
    hashes, reach = (letters + np.uint64(1)) * _MIX[0], 1
    while reach < size:
        step = min(reach, size - reach)
        hashes = hashes[:-step] * _MIX[1] + hashes[step:]
        hashes ^= hashes >> _SHIFT
        hashes *= _MIX[2]
        reach += step
    return hashes


def smallest(values: Hashes, width: int) -> Hashes:
    """The smallest of every ``width`` values in a row: [n] -> [n - width + 1]."""
    reach = 1
    while reach < width:
        step = min(reach, width - reach)
        values = np.minimum(values[:-step], values[step:])
        reach += step
    return values


def winnowed(hashes: Hashes, width: int) -> NDArray[np.bool_]:
    """Which hashes are the smallest of some ``width`` in a row, or of all where there are fewer: [n], n > 0."""
    width = min(width, len(hashes))
    edge = np.full(width - 1, np.uint64(2**64 - 1))
    # The smallest of a run is never above a member: a member is one's smallest where the largest of these is itself.
    runs = np.concatenate([edge, ~smallest(hashes, width), edge])
    return np.asarray(smallest(runs, width) == ~hashes)
