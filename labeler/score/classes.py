"""Which contexts may stand for one another when a sample is drawn again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST = 5
"""Units below which a class is joined with its neighbour."""


def resampling_classes(stratum: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """[n] classes for the bootstrap from strata [n]: neighbouring strata joined until each has at least five units.

    A stratum of one unit would show no variance at all, so that rare, strong activations would look certain. Silent
    contexts (stratum 0) keep a class of their own, however few the firing ones are: joined, a replicate could be
    without a firing context, which the design never is. Only a single silent context goes with the firing ones.
    """
    strata, position, counts = np.unique(stratum, return_inverse=True, return_counts=True)
    label = np.zeros(len(strata), dtype=np.int64)
    first = int(len(strata) > 0 and strata[0] == 0 and counts[0] > 1)
    current, held = first, 0
    for i in range(first, len(strata)):
        label[i] = current
        held += int(counts[i])
        if held >= SMALLEST:
            current, held = current + 1, 0
    if held and current > first:
        # What is left over at the strong end joins the class before it.
        label[label == current] = current - 1
    classes: NDArray[np.int64] = label[position.reshape(-1)]
    return classes
