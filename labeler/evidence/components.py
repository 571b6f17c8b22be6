"""Who hangs together: the connected components of a graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeler.features import IntArray


def connected(n: int, left: NDArray[np.integer], right: NDArray[np.integer]) -> IntArray:
    """The connected components of n nodes and the edges left[i] - right[i]: [n] the smallest node of each one's component."""
    root = np.arange(n, dtype=np.int32)
    while len(left):
        a, b = root[left], root[right]
        apart = a != b
        left, right, a, b = left[apart], right[apart], a[apart], b[apart]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while (root != (above := root[root])).any():
            root = above
    return root.astype(np.int64)
